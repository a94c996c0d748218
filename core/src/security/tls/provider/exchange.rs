//! Key agreement.

use crate::crypto::{Curve, EphemeralKey};
use crate::security::tls::scope;
use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::{Error, NamedGroup, PeerMisbehaved};
use zeroize::Zeroizing;

pub(super) static X25519: Group = Group { curve: Curve::X25519, name: NamedGroup::X25519 };
pub(super) static P256: Group = Group { curve: Curve::P256, name: NamedGroup::secp256r1 };

/// How often a private scalar is drawn. One draw in 2^32 is out of P-256's range, none is out of X25519's; so all of them are only
/// if the provider does not have the curve.
const SCALAR_DRAWS: usize = 8;

#[derive(Debug)]
pub(super) struct Group {
    curve: Curve,
    name: NamedGroup,
}

impl SupportedKxGroup for Group {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        scope::with(|scope| {
            let mut scalar = Zeroizing::new(vec![0; self.curve.field_bytes()]);
            for _ in 0..SCALAR_DRAWS {
                scope.seed.fill(&mut scalar);
                if let Ok(key) = scope.crypto.ephemeral_key(self.curve, &scalar) {
                    return Ok(Box::new(Exchange { group: self.name, key }) as Box<dyn ActiveKeyExchange>);
                }
            }
            let provider = scope.crypto.name();
            Err(Error::General(format!("the {provider} crypto provider does not have {:?}", self.name)))
        })
    }

    fn name(&self) -> NamedGroup {
        self.name
    }
}

struct Exchange {
    group: NamedGroup,
    key: Box<dyn EphemeralKey>,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, point: &[u8]) -> Result<SharedSecret, Error> {
        let secret = self.key.agree(point).map_err(|_| PeerMisbehaved::InvalidKeyShare)?;
        Ok(SharedSecret::from(secret.as_slice()))
    }

    fn pub_key(&self) -> &[u8] {
        self.key.public_point()
    }

    fn group(&self) -> NamedGroup {
        self.group
    }
}
