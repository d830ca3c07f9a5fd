//! Signing secrets and signatures as the Standard Webhooks specification has them: `v1` by HMAC-SHA256 with
//! a shared key, `v1a` by Ed25519. Which secrets sign is decided by a time that is an argument.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::time::Timestamp;

type SecretBytes = Secret<Zeroizing<Vec<u8>>>;

/// A key that signs requests, and until when it does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SigningSecret {
    key: Key,
    /// `None`: it has no end.
    until: Option<Timestamp>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Key {
    Ed25519(Ed25519),
    Hmac(SecretBytes),
}

#[derive(Clone)]
struct Ed25519 {
    seed: SecretBytes,
    pair: Arc<Ed25519KeyPair>,
}

/// The text is not a signing secret. The error repeats nothing of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadSecret {
    /// It holds a line break or another control character.
    #[error(
        "it holds a line break or another control character: a line break is cut only at the end of a file or variable"
    )]
    Control,
    /// It is empty.
    #[error("the secret is empty")]
    Empty,
    /// The key behind `whsk_` has another length.
    #[error("what follows `whsk_` is not an Ed25519 key: 32 bytes, or 64 with its public key, are expected")]
    NotAKey,
    /// It begins with `whsec_` or `whsk_`, and what follows is not base64.
    #[error("what follows `whsec_` or `whsk_` is not base64")]
    NotBase64,
    /// It is the public half of a key.
    #[error("`whpk_` is the receiver's public key: requests are signed with the private one, `whsk_`")]
    PublicKey,
}

impl SigningSecret {
    /// Reads `whsec_` and the base64 of a shared key, `whsk_` and that of an Ed25519 key, or any other text,
    /// whose bytes are the shared key. Base64 may be unpadded or url-safe, and its version may come first.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        if text.chars().any(char::is_control) {
            return Err(BadSecret::Control);
        }
        let unversioned = text.strip_prefix("v1,").or_else(|| text.strip_prefix("v1a,")).unwrap_or(text);
        let key = if let Some(encoded) = unversioned.strip_prefix("whsec_") {
            Key::Hmac(decoded(encoded)?)
        } else if let Some(encoded) = unversioned.strip_prefix("whsk_") {
            Key::Ed25519(Ed25519::new(&decoded(encoded)?)?)
        } else if unversioned.starts_with("whpk_") {
            return Err(BadSecret::PublicKey);
        } else {
            Key::Hmac(SecretBytes::of_bytes(text))
        };
        let is_empty = matches!(&key, Key::Hmac(bytes) if bytes.expose().is_empty());
        if is_empty { Err(BadSecret::Empty) } else { Ok(Self { key, until: None }) }
    }

    /// The same, which signs until a time.
    #[must_use]
    pub fn until(self, end: Timestamp) -> Self {
        Self { until: Some(end), ..self }
    }

    /// When it ends to sign, if it does.
    pub fn end(&self) -> Option<Timestamp> {
        self.until
    }

    /// The length of a shared key in bytes that is shorter than the specification asks for.
    pub fn too_short(&self) -> Option<usize> {
        match &self.key {
            Key::Hmac(bytes) => Some(bytes.expose().len()).filter(|length| *length < SHARED_BYTES_MIN),
            Key::Ed25519(_) => None,
        }
    }

    /// The text that this secret is read from again: `whsec_…` or `whsk_…`.
    pub fn to_text(&self) -> Secret {
        match &self.key {
            Key::Hmac(bytes) => encoded("whsec_", bytes.expose()),
            Key::Ed25519(key) => encoded("whsk_", key.seed.expose()),
        }
    }

    /// The text that the receiver's library needs: the shared `whsec_…`, or the public key, `whpk_…`.
    pub fn for_receiver(&self) -> Secret {
        match &self.key {
            Key::Hmac(_) => self.to_text(),
            Key::Ed25519(key) => encoded("whpk_", key.pair.public_key().as_ref()),
        }
    }

    /// Whether it signs at this time.
    pub fn signs_at(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|end| now < end)
    }

    /// The version and the base64 of the signature of `id.timestamp.body`.
    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp}.");
        match &self.key {
            Key::Hmac(bytes) => {
                // HMAC takes keys of any length.
                let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(bytes.expose()) else {
                    return String::new();
                };
                mac.update(head.as_bytes());
                mac.update(body);
                format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
            }
            Key::Ed25519(key) => {
                let signed = key.pair.sign(&[head.as_bytes(), body].concat());
                format!("v1a,{}", STANDARD.encode(signed))
            }
        }
    }
}

impl Ed25519 {
    /// `bytes` are the seed, or the seed and the public key that belongs to it.
    fn new(bytes: &SecretBytes) -> Result<Self, BadSecret> {
        let (seed, public) = bytes.expose().split_at_checked(ED25519_SEED_BYTES).ok_or(BadSecret::NotAKey)?;
        let pair = if public.is_empty() {
            Ed25519KeyPair::from_seed_unchecked(seed)
        } else {
            Ed25519KeyPair::from_seed_and_public_key(seed, public)
        };
        let pair = pair.map_err(|_| BadSecret::NotAKey)?;
        Ok(Self { seed: SecretBytes::of_bytes(seed), pair: Arc::new(pair) })
    }
}

impl PartialEq for Ed25519 {
    fn eq(&self, other: &Self) -> bool {
        self.seed == other.seed
    }
}

impl Eq for Ed25519 {}

impl fmt::Debug for Ed25519 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The secrets after `new` has replaced those in force: these sign for `overlap` longer, so that receivers
/// have this time to take the new one. Those that have ended are left out.
pub fn rotate(
    old: &[SigningSecret],
    new: SigningSecret,
    overlap: Duration,
    now: Timestamp,
) -> Vec<SigningSecret> {
    let end = now.plus(overlap);
    let kept = old.iter().filter(|secret| secret.key != new.key).map(|secret| SigningSecret {
        key: secret.key.clone(),
        until: Some(secret.until.map_or(end, |until| until.min(end))),
    });
    let kept: Vec<SigningSecret> = kept.filter(|secret| secret.signs_at(now)).collect();
    [new].into_iter().chain(kept).collect()
}

/// The header's value at `now`: one signature for each secret that has not ended; `None` where there is none.
pub(in crate::deliver) fn signatures(
    secrets: &[SigningSecret],
    id: &str,
    now: Timestamp,
    body: &[u8],
) -> Option<String> {
    let secrets = secrets.iter().filter(|secret| secret.signs_at(now));
    let signed: Vec<String> = secrets.map(|secret| secret.sign(id, now.unix_seconds(), body)).collect();
    (!signed.is_empty()).then(|| signed.join(" "))
}

fn decoded(base64: &str) -> Result<SecretBytes, BadSecret> {
    let bytes = FORGIVING.decode(base64).or_else(|_| FORGIVING_URL_SAFE.decode(base64));
    bytes.map(SecretBytes::of_bytes).map_err(|_| BadSecret::NotBase64)
}

fn encoded(prefix: &str, bytes: &[u8]) -> Secret {
    Secret::of_text(format!("{prefix}{}", STANDARD.encode(bytes)))
}

const FORGIVING: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, FORGIVING_CONFIG);
const FORGIVING_URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, FORGIVING_CONFIG);
const FORGIVING_CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
/// The specification asks for 24 to 64 bytes; a longer key is no weaker.
const SHARED_BYTES_MIN: usize = 24;
const ED25519_SEED_BYTES: usize = 32;

#[cfg(test)]
mod tests;
