//! The records of the handshake, which rustls seals and opens.

use crate::crypto::{Aead, AeadCipher, TAG_BYTES};
use crate::security::tls::scope;
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter, MessageEncrypter, Nonce,
    OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload, Tls13AeadAlgorithm,
    UnsupportedOperationError, make_tls13_aad,
};
use rustls::{ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion};

pub(super) struct RecordCipher(pub(super) AeadCipher);

impl RecordCipher {
    fn with_key(&self, key: &AeadKey, iv: Iv) -> Box<Keyed> {
        Box::new(Keyed { aead: scope::crypto().aead(self.0, key.as_ref()), iv })
    }
}

impl Tls13AeadAlgorithm for RecordCipher {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        self.with_key(&key, iv)
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        self.with_key(&key, iv)
    }

    fn key_len(&self) -> usize {
        self.0.key_bytes()
    }

    /// The channel takes the secrets from which keys are derived, not the keys.
    fn extract_keys(&self, _: AeadKey, _: Iv) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Err(UnsupportedOperationError)
    }
}

struct Keyed {
    aead: Box<dyn Aead>,
    iv: Iv,
}

impl MessageEncrypter for Keyed {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        sequence: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let len = self.encrypted_payload_len(message.payload.len());
        let mut payload = PrefixedPayload::with_capacity(len);
        payload.extend_from_chunks(&message.payload);
        payload.extend_from_slice(&message.typ.to_array());
        let nonce = Nonce::new(&self.iv, sequence).0;
        let tag = self.aead.seal(&nonce, &make_tls13_aad(len), payload.as_mut());
        payload.extend_from_slice(&tag);
        Ok(OutboundOpaqueMessage::new(ContentType::ApplicationData, ProtocolVersion::TLSv1_2, payload))
    }

    /// With the type of the message and a tag.
    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        payload_len + 1 + TAG_BYTES
    }
}

impl MessageDecrypter for Keyed {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        sequence: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        // What goes before it is protected only if it is what we take it for.
        if (message.typ, message.version) != (ContentType::ApplicationData, ProtocolVersion::TLSv1_2) {
            return Err(Error::DecryptError);
        }
        let associated = make_tls13_aad(message.payload.len());
        let nonce = Nonce::new(&self.iv, sequence).0;
        let (data, tag) = message.payload.split_last_chunk_mut().ok_or(Error::DecryptError)?;
        if !self.aead.open(&nonce, &associated, data, tag) {
            return Err(Error::DecryptError);
        }
        let len = data.len();
        message.payload.truncate(len);
        message.into_tls13_unpadded_message()
    }
}
