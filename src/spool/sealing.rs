//! Secrets in the spool: encrypted with a key of the settings, and bound to the webhook that they belong to.
//!
//! ```text
//! format (1) │ key id (4) │ nonce (12) │ ciphertext │ tag (16)
//! ```
//!
//! AES-256-GCM-SIV: should a random nonce ever repeat, only equal texts are seen to be equal.
//! <https://www.rfc-editor.org/rfc/rfc8452>

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// `spool.key`: the first encrypts, each decrypts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SpoolKeys(Vec<SpoolKey>);

/// One key of 32 bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SpoolKey {
    bytes: Secret<Zeroizing<[u8; KEY_BYTES]>>,
    id: [u8; ID_BYTES],
}

/// The text is not a key. The error repeats nothing of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a key is 32 random bytes as base64 or hex: `openssl rand -base64 32` makes one")]
pub struct BadKey;

/// Why a secret cannot be sealed or opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SealError {
    /// The bytes are not those that were sealed, or belong to another webhook.
    #[error("a secret in the spool is damaged, or belongs to another webhook: set it again")]
    Damaged,
    /// The system gave no random bytes, or the secret is too long.
    #[error("a secret cannot be encrypted: the system gives no random bytes")]
    Failed,
    /// There is no key.
    #[error(
        "a secret in plain text is kept in the spool only encrypted, and `spool.key` is not set: set it to {{ env = \"NAME\" }} or \
         {{ file = \"PATH\" }} with 32 random bytes (`openssl rand -base64 32`), or give the secret itself as \
         {{ env = \"NAME\" }} or {{ file = \"PATH\" }}"
    )]
    NoKey,
    /// It was sealed with a key that is not listed.
    #[error(
        "a secret in the spool was encrypted with a key that `spool.key` does not list: add that key behind the first"
    )]
    OtherKey,
}

impl SpoolKeys {
    /// The first key seals, each opens.
    pub fn new(keys: Vec<SpoolKey>) -> Self {
        Self(keys)
    }

    /// Whether there is a key that encrypts.
    pub fn can_seal(&self) -> bool {
        !self.0.is_empty()
    }

    /// Encrypts a secret of the webhook for a project and a callback, as the webhook names them (`*` for any).
    pub fn seal(&self, plain: &[u8], project: &str, callback: &str) -> Result<Vec<u8>, SealError> {
        let key = self.0.first().ok_or(SealError::NoKey)?;
        let cipher = key.cipher()?;
        let mut text = plain.to_vec();
        let owner = Aad::from(owner(key.id, project, callback));
        let nonce = cipher.seal_in_place_append_tag(owner, &mut text).map_err(|_| SealError::Failed)?;
        Ok([&[FORMAT][..], &key.id, nonce.as_ref(), &text].concat())
    }

    /// Decrypts what was sealed for the same webhook.
    pub fn open(
        &self,
        sealed: &[u8],
        project: &str,
        callback: &str,
    ) -> Result<Secret<Zeroizing<Vec<u8>>>, SealError> {
        let (head, rest) = sealed.split_at_checked(1 + ID_BYTES).ok_or(SealError::Damaged)?;
        let (format, id) = head.split_at(1);
        let (nonce, text) = rest.split_at_checked(NONCE_BYTES).ok_or(SealError::Damaged)?;
        if format != [FORMAT] {
            return Err(SealError::Damaged);
        }
        let missing = if self.0.is_empty() { SealError::NoKey } else { SealError::OtherKey };
        let key = self.0.iter().find(|key| key.id == id).ok_or(missing)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Damaged)?;
        let mut text = Zeroizing::new(text.to_vec());
        let owner = Aad::from(owner(key.id, project, callback));
        let opened = key.cipher()?.open_in_place(nonce, owner, &mut text);
        let length = opened.map_err(|_| SealError::Damaged)?.len();
        text.truncate(length);
        Ok(Secret::of(text))
    }

    /// Whether it was sealed with the key that seals now. If not, it is to be sealed again before its key is
    /// removed from the list.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        self.0.first().is_some_and(|key| sealed.get(1..=ID_BYTES) == Some(&key.id))
    }
}

impl SpoolKey {
    /// Reads base64, padded or not, of either alphabet; or hex.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let bytes = from_hex(text).or_else(|| from_base64(text)).ok_or(BadKey)?;
        let bytes = Zeroizing::new(<[u8; KEY_BYTES]>::try_from(bytes.as_slice()).map_err(|_| BadKey)?);
        let digest = Sha256::new().chain_update(b"sidecar spool key").chain_update(*bytes).finalize();
        let mut id = [0; ID_BYTES];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Ok(Self { bytes: Secret::of(bytes), id })
    }

    fn cipher(&self) -> Result<RandomizedNonceKey, SealError> {
        RandomizedNonceKey::new(&AES_256_GCM_SIV, self.bytes.expose().as_slice())
            .map_err(|_| SealError::Failed)
    }
}

/// The associated data: the format, the key, and whose secret it is. Lengths keep the names apart.
fn owner(key: [u8; ID_BYTES], project: &str, callback: &str) -> Vec<u8> {
    let length = u64::try_from(project.len()).unwrap_or(u64::MAX).to_be_bytes();
    [&[FORMAT][..], &key, &length, project.as_bytes(), callback.as_bytes()].concat()
}

fn from_hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if text.len() != 2 * KEY_BYTES {
        return None;
    }
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = Zeroizing::new(digits?);
    Some(Zeroizing::new(
        digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect(),
    ))
}

fn from_base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabets = [&alphabet::STANDARD, &alphabet::URL_SAFE];
    alphabets
        .into_iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, CONFIG).decode(text).ok())
        .map(Zeroizing::new)
}

const FORMAT: u8 = 1;
const KEY_BYTES: usize = 32;
const ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SpoolKey {
        SpoolKey::parse(&format!("{byte:02x}").repeat(32)).unwrap()
    }

    fn keys(bytes: &[u8]) -> SpoolKeys {
        SpoolKeys::new(bytes.iter().map(|byte| key(*byte)).collect())
    }

    fn opened(keys: &SpoolKeys, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        keys.open(sealed, "p", "modified").map(|secret| secret.expose().to_vec())
    }

    #[test]
    fn what_is_sealed_is_opened_by_the_same_webhook_alone() {
        let keys = keys(&[1]);
        let long = vec![7; 70_000];
        for plain in [&b""[..], b"geheim", long.as_slice()] {
            let sealed = keys.seal(plain, "p", "modified").unwrap();
            assert_eq!(opened(&keys, &sealed), Ok(plain.to_vec()));
            assert_ne!(sealed, keys.seal(plain, "p", "modified").unwrap(), "the nonce is random");
            for (project, callback) in [("q", "modified"), ("p", "*"), ("pm", "odified"), ("", "pmodified")] {
                assert_eq!(keys.open(&sealed, project, callback), Err(SealError::Damaged));
            }
        }
    }

    #[test]
    fn a_changed_bit_or_a_lost_byte_is_noticed() {
        let keys = keys(&[1]);
        let sealed = keys.seal(b"geheim", "p", "modified").unwrap();
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << bit;
                opened(&keys, &changed).unwrap_err();
            }
            opened(&keys, &sealed[..at]).unwrap_err();
        }
        opened(&keys, &[&sealed[..], &[0]].concat()).unwrap_err();
    }

    #[test]
    fn keys_are_rotated_by_a_list() {
        let sealed = keys(&[1]).seal(b"geheim", "p", "modified").unwrap();
        let both = keys(&[2, 1]);
        assert_eq!(opened(&both, &sealed), Ok(b"geheim".to_vec()));
        assert!(keys(&[1]).is_current(&sealed) && !both.is_current(&sealed));
        let again = both.seal(b"geheim", "p", "modified").unwrap();
        assert!(both.is_current(&again));
        assert_eq!(opened(&keys(&[2]), &again), Ok(b"geheim".to_vec()));
        assert_eq!(opened(&keys(&[2]), &sealed), Err(SealError::OtherKey));
        assert_eq!(opened(&keys(&[]), &sealed), Err(SealError::NoKey));
    }

    #[test]
    fn without_a_key_nothing_is_sealed_and_the_setting_is_named() {
        let refused = keys(&[]).seal(b"geheim", "p", "*").unwrap_err();
        assert!(refused.to_string().contains("`spool.key`"), "{refused}");
    }

    #[test]
    fn a_key_is_32_bytes_as_hex_or_base64_and_never_shown() {
        let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff";
        for text in [
            hex,
            &hex.to_uppercase(),
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHv8=",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHv8",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHv8=",
        ] {
            assert_eq!(SpoolKey::parse(text), SpoolKey::parse(hex), "{text}");
        }
        for text in
            ["", "geheim", &hex[2..], &format!("{hex}00"), "AAECAwQFBgcICQoLDA0ODw==", &"é".repeat(32)]
        {
            assert_eq!(SpoolKey::parse(text), Err(BadKey), "{text}");
        }
        let shown = format!("{:?}", keys(&[0xAB]));
        assert!(!shown.contains("abab") && !shown.contains("171, 171, 171, 171, 171"), "{shown}");
    }
}
