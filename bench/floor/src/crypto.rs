//! What has to be computed, with aws-lc.

use anyhow::{Context, Result, bail};
use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::cipher::{self, EncryptionContext, StreamingEncryptingKey, UnboundCipherKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey as UnparsedSignatureKey};
use bench_harness::{Flags, Mode, Security};
use std::hint::black_box;

/// What the authentication of a frame of Noise and TLS takes.
const TAG_BYTES: usize = 16;

/// The most that a frame of Noise has, without its tag.
const NOISE_PLAINTEXT_BYTES: usize = 65_535 - TAG_BYTES;

/// The most that a frame of TLS has, without its tag.
const TLS_PLAINTEXT_BYTES: usize = 16 * 1024;

/// As long as what peers sign in a handshake of Noise.
const MESSAGE: &[u8] = &[3; 56];

/// Both directions use the same keys here: it makes no difference to what it costs.
const KEY: [u8; 32] = [0x42; 32];

/// Seals or opens one direction, in a buffer of its own.
pub(crate) struct Sealer {
    cipher: Cipher,
    /// Frames as they are sent.
    frames: Vec<u8>,
    sealed: u64,
}

enum Cipher {
    None,
    /// In place: what was sealed is sealed again, which costs the same.
    Aead {
        key: LessSafeKey,
        plaintext_bytes: usize,
    },
    /// From the other buffer: aws-lc does not encrypt in place.
    Secio {
        stream: Box<StreamingEncryptingKey>,
        code: Box<hmac::Key>,
        plaintext: Vec<u8>,
    },
}

impl Sealer {
    /// Has room for about `chunk` bytes, in whole frames.
    pub(crate) fn new(security: Security, chunk: usize) -> Result<Self> {
        let (cipher, size) = match security {
            Security::Plaintext => (Cipher::None, chunk),
            Security::Noise => aead(&aead::CHACHA20_POLY1305, chunk, NOISE_PLAINTEXT_BYTES)?,
            Security::Tls => aead(&aead::AES_128_GCM, chunk, TLS_PLAINTEXT_BYTES)?,
            Security::Secio => {
                let key = UnboundCipherKey::new(&cipher::AES_128, &KEY[..16])?;
                let context = EncryptionContext::Iv128(FixedLength::from([0; 16]));
                let stream = Box::new(StreamingEncryptingKey::less_safe_ctr(key, context)?);
                let code = Box::new(hmac::Key::new(hmac::HMAC_SHA256, &KEY));
                (Cipher::Secio { stream, code, plaintext: vec![0x5a; chunk + 16] }, chunk + 32)
            }
        };
        Ok(Self { cipher, frames: vec![0x5a; size], sealed: 0 })
    }

    /// Where frames are read to.
    pub(crate) fn frames(&mut self) -> &mut [u8] {
        &mut self.frames
    }

    /// Seals some plaintext. Returns how much of it, and the frames.
    pub(crate) fn seal(&mut self) -> Result<(usize, &[u8])> {
        let len = match &mut self.cipher {
            Cipher::None => self.frames.len(),
            Cipher::Aead { key, plaintext_bytes } => {
                let mut len = 0;
                for frame in self.frames.chunks_mut(*plaintext_bytes + TAG_BYTES) {
                    let (data, tag) = frame.split_at_mut(frame.len() - TAG_BYTES);
                    let made = key.seal_in_place_separate_tag(nonce(&mut self.sealed), Aad::empty(), data)?;
                    tag.copy_from_slice(made.as_ref());
                    len += data.len();
                }
                len
            }
            Cipher::Secio { stream, code, plaintext } => {
                let len = self.frames.len() - 32;
                stream.update(&plaintext[..len], &mut self.frames)?;
                let (data, tag) = self.frames.split_at_mut(len);
                tag.copy_from_slice(hmac::sign(code, data).as_ref());
                len
            }
        };
        Ok((len, &self.frames))
    }

    /// Opens what was read. Returns how much plaintext it was.
    pub(crate) fn open(&mut self) -> Result<usize> {
        match &mut self.cipher {
            Cipher::None => Ok(self.frames.len()),
            Cipher::Aead { key, plaintext_bytes } => {
                let mut len = 0;
                for frame in self.frames.chunks_mut(*plaintext_bytes + TAG_BYTES) {
                    let opened = key.open_in_place(nonce(&mut self.sealed), Aad::empty(), frame);
                    len += opened.context("a frame is not authentic")?.len();
                }
                Ok(len)
            }
            Cipher::Secio { stream, code, plaintext } => {
                let (data, tag) = self.frames.split_at(self.frames.len() - 32);
                hmac::verify(code, data, tag).context("a frame is not authentic")?;
                stream.update(data, plaintext)?;
                Ok(data.len())
            }
        }
    }
}

/// The cipher, and how many bytes of whole frames have about `chunk` bytes of plaintext.
fn aead(algorithm: &'static aead::Algorithm, chunk: usize, max_plaintext: usize) -> Result<(Cipher, usize)> {
    let key = LessSafeKey::new(UnboundKey::new(algorithm, &KEY[..algorithm.key_len()])?);
    let plaintext_bytes = chunk.min(max_plaintext);
    let frames = chunk / plaintext_bytes;
    Ok((Cipher::Aead { key, plaintext_bytes }, frames * (plaintext_bytes + TAG_BYTES)))
}

fn nonce(counter: &mut u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    *counter += 1;
    Nonce::assume_unique_for_key(nonce)
}

/// What one end of a handshake has to compute: nothing, without security.
pub(crate) struct Handshake(Option<Noise>);

/// What Noise needs, XX.
struct Noise {
    /// Stands for the remote's static and its ephemeral key: which, makes no difference.
    remote: agreement::PublicKey,
    own_static: PrivateKey,
    identity: Vec<u8>,
    signature: Vec<u8>,
}

impl Handshake {
    pub(crate) fn of(flags: &Flags) -> Result<Self> {
        match flags.sec {
            _ if flags.mode != Mode::Conn => Ok(Self(None)),
            Security::Plaintext => Ok(Self(None)),
            Security::Noise => {
                let identity = Ed25519KeyPair::generate()?;
                Ok(Self(Some(Noise {
                    remote: PrivateKey::generate(&X25519)?.compute_public_key()?,
                    own_static: PrivateKey::generate(&X25519)?,
                    identity: identity.public_key().as_ref().to_vec(),
                    signature: identity.sign(MESSAGE).as_ref().to_vec(),
                })))
            }
            other => bail!("the floor of a handshake with {other:?} is not known"),
        }
    }

    pub(crate) fn compute(&self) -> Result<()> {
        let Some(Noise { remote, own_static, identity, signature }) = &self.0 else { return Ok(()) };
        let ephemeral = PrivateKey::generate(&X25519)?;
        black_box(ephemeral.compute_public_key()?);
        for key in [&ephemeral, own_static, &ephemeral] {
            let remote = UnparsedPublicKey::new(&X25519, remote);
            agreement::agree(key, remote, Unspecified, |secret| {
                black_box(secret);
                Ok(())
            })?;
        }
        UnparsedSignatureKey::new(&ED25519, identity).verify(MESSAGE, signature)?;
        Ok(())
    }
}
