//! What rustls must know of the handshake that calls it: the one exception to law 1 (pure) in core.
//!
//! rustls wants its cryptography, verifiers and randomness as values that live for the whole process and know no handshake. So ours
//! are empty types that look a [`Scope`] up in a variable of the thread. It is put there before each call into rustls and taken out
//! afterwards: nothing is shared between handshakes, and nothing outlives a call.

use super::certificate::CertificateKey;
use crate::crypto::CryptoProvider;
use crate::identity::{PeerId, PublicKey};
use crate::security::SecurityError;
use crate::seed::Seed;
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

thread_local! {
    /// Never dropped, so that the system is not asked to do that when the thread ends: outside of a call there is nothing in it.
    static CURRENT: RefCell<ManuallyDrop<Option<Box<Scope>>>> =
        const { RefCell::new(ManuallyDrop::new(None)) };
}

/// What one handshake gives to rustls' callbacks, and what they find out for it.
pub(super) struct Scope {
    pub(super) crypto: Arc<dyn CryptoProvider>,
    pub(super) seed: Seed,
    pub(super) own_key: PublicKey,
    pub(super) expected_peer: Option<PeerId>,
    /// Since 1970.
    pub(super) wall_clock: Option<Duration>,
    pub(super) found: Found,
}

/// What the callbacks found out.
#[derive(Default)]
pub(super) struct Found {
    /// Who the remote is, once its certificate proved it.
    pub(super) identity: Option<PublicKey>,
    /// The key of the remote's certificate, with which it has yet to sign.
    pub(super) certificate_key: Option<CertificateKey>,
    /// Why the handshake fails, where rustls has no words for it.
    pub(super) error: Option<SecurityError>,
    /// The secrets from which the keys of the dialer's records are derived.
    pub(super) dialer_secret: Option<Secret>,
    /// The secrets from which the keys of the listener's records are derived.
    pub(super) listener_secret: Option<Secret>,
}

/// A traffic secret of TLS 1.3, with SHA-256.
pub(super) type Secret = Zeroizing<[u8; 32]>;

impl Scope {
    /// Runs `call`, which may call into rustls, in this scope.
    pub(super) fn run<T>(self: Box<Self>, call: impl FnOnce() -> T) -> (Box<Self>, T) {
        /// Ends the scope if `call` panics.
        struct Guard;

        impl Drop for Guard {
            fn drop(&mut self) {
                drop(replace(None));
            }
        }

        replace(Some(self));
        let guard = Guard;
        let result = call();
        std::mem::forget(guard);
        let scope = replace(None).expect("what rustls calls only borrows the scope");
        (scope, result)
    }
}

/// Puts a scope in the place of another one.
fn replace(scope: Option<Box<Scope>>) -> Option<Box<Scope>> {
    ManuallyDrop::into_inner(CURRENT.replace(ManuallyDrop::new(scope)))
}

/// Borrows the scope of the call that rustls is in. `read` must not call it again.
pub(super) fn with<T>(read: impl FnOnce(&mut Scope) -> T) -> T {
    CURRENT.with_borrow_mut(|scope| read(scope.as_mut().expect("rustls is called within a scope only")))
}

/// The crypto provider of the handshake.
pub(super) fn crypto() -> Arc<dyn CryptoProvider> {
    with(|scope| scope.crypto.clone())
}
