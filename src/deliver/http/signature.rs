//! Signatures as the Standard Webhooks specification has them.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// A key that receivers share. Never printed.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Vec<u8>);

/// The text is not a secret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadSecret {
    /// It begins with `whsec_`, and what follows is not base64.
    #[error("what follows `whsec_` is not base64")]
    NotBase64,
    /// It is empty.
    #[error("the secret is empty")]
    Empty,
}

impl Secret {
    /// `whsec_` and base64, padded or not, of either alphabet and behind its version or not; or any
    /// other text as its bytes.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let bytes = match text.strip_prefix("v1,").unwrap_or(text).strip_prefix("whsec_") {
            Some(encoded) => {
                let decoded = FORGIVING.decode(encoded.trim_end());
                let decoded = decoded.or_else(|_| FORGIVING_URL_SAFE.decode(encoded.trim_end()));
                decoded.map_err(|_| BadSecret::NotBase64)?
            }
            None => text.as_bytes().to_vec(),
        };
        if bytes.is_empty() { Err(BadSecret::Empty) } else { Ok(Self(bytes)) }
    }

    /// `v1,` and the base64 of the HMAC-SHA256 over `id.timestamp.body`.
    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The header's value: one signature a secret; `None` where there is no secret.
pub(in crate::deliver) fn signatures(
    secrets: &[Secret],
    id: &str,
    timestamp: i64,
    body: &[u8],
) -> Option<String> {
    let signed: Vec<String> = secrets.iter().map(|secret| secret.sign(id, timestamp, body)).collect();
    (!signed.is_empty()).then(|| signed.join(" "))
}

const FORGIVING: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, FORGIVING_CONFIG);
const FORGIVING_URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, FORGIVING_CONFIG);
const FORGIVING_CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_specifications_example() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = signatures(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn while_a_secret_is_rotated_there_are_two_signatures() {
        let secrets = [Secret::parse("new").unwrap(), Secret::parse("old").unwrap()];
        let both = signatures(&secrets, "id", 1, b"{}").unwrap();
        let each: Vec<String> = secrets.iter().map(|secret| secret.sign("id", 1, b"{}")).collect();
        assert_eq!(both, each.join(" "));
        assert_eq!(signatures(&[], "id", 1, b"{}"), None);
    }

    #[test]
    fn a_secret_is_the_same_however_its_base64_is_written() {
        let key = Secret(vec![0xFB, 0xEF, 0xFF, 0x00]);
        for text in [
            "whsec_++//AA==",
            "whsec_++//AA",
            "whsec_++//AA=",
            "whsec_--__AA==",
            "whsec_--__AA",
            "v1,whsec_++//AA==",
            "v1,whsec_++//AA",
            "v1,whsec_--__AA",
            "whsec_++//AA==\n",
        ] {
            assert_eq!(Secret::parse(text), Ok(key.clone()), "{text:?}");
        }
        assert_eq!(Secret::parse("v1,plain"), Ok(Secret(b"v1,plain".to_vec())));
        assert_eq!(Secret::parse("v1,whsec_!"), Err(BadSecret::NotBase64));
        assert_eq!(Secret::parse("v1,whsec_"), Err(BadSecret::Empty));
    }

    #[test]
    fn a_secret_is_checked_and_never_shown() {
        assert_eq!(Secret::parse("whsec_!"), Err(BadSecret::NotBase64));
        assert_eq!(Secret::parse("whsec_"), Err(BadSecret::Empty));
        assert_eq!(format!("{:?}", Secret::parse("geheim").unwrap()), "Secret(…)");
    }
}
