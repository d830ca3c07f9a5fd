//! The raw settings, as the file has them. An unknown key is an error.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::units::{ByteSize, HumanDuration};
use crate::source::{read_secret, without_line_break};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) postgres: Postgres,
    pub(super) documents: Documents,
    pub(super) batch: Batch,
    pub(super) delivery: Delivery,
    pub(super) spool: Spool,
    pub(super) recovery: Recovery,
    pub(super) egress: Egress,
    pub(super) admin: Admin,
    pub(super) log: Log,
    #[serde(default)]
    pub(super) webhook: Vec<Webhook>,
    #[serde(default)]
    pub(super) host: Vec<Host>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Postgres {
    pub(super) url: Secret,
    pub(super) password: Secret,
    pub(super) slot: String,
    pub(super) failover_slot: bool,
    pub(super) publication: String,
    pub(super) connect_timeout_ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Documents {
    pub(super) table: String,
    pub(super) id: OneOrMany,
    pub(super) key: String,
    pub(super) project: String,
    pub(super) labels: String,
    pub(super) predicted_labels: String,
    pub(super) similarity: Similarity,
    pub(super) excluded: String,
    pub(super) excluded_when: OneOrMany,
    pub(super) live_when: Vec<String>,
    pub(super) content: Vec<String>,
    pub(super) ignore: Vec<String>,
    pub(super) on_truncate: String,
    pub(super) initial: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a column's name, or { id = …, key = …, label = … }")]
pub(super) enum Similarity {
    Json(String),
    Columns(SimilarityColumns),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SimilarityColumns {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) label: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    pub(super) records_max: u32,
    pub(super) bytes_max: ByteSize,
    pub(super) wait_max_ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delivery {
    pub(super) timeout_ms: u64,
    pub(super) connect_timeout_ms: u64,
    pub(super) retry_schedule: Vec<HumanDuration>,
    pub(super) refusals_max: u32,
    pub(super) give_up_after: HumanDuration,
    pub(super) order_wait: HumanDuration,
    pub(super) in_flight_max: usize,
    pub(super) requests_per_second: f64,
    pub(super) host_in_flight_max: u32,
    pub(super) host_requests_per_second: f64,
    pub(super) header_prefix: String,
    pub(super) response_bytes_max: ByteSize,
    pub(super) connection_age_max: HumanDuration,
    pub(super) gzip: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spool {
    pub(super) path: PathBuf,
    pub(super) bytes_max: ByteSize,
    pub(super) lane_bytes_max: MaybeSize,
    pub(super) retain: HumanDuration,
}

/// A setting for which `""` means a computed default.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a number of bytes, a size with its unit like \"2GiB\", or \"\"")]
pub(super) enum MaybeSize {
    Size(ByteSize),
    Empty(String),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recovery {
    pub(super) missing_max: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Egress {
    pub(super) allow: Vec<String>,
    pub(super) deny: Vec<String>,
    pub(super) tenant_allow: Vec<String>,
    pub(super) proxy: String,
    pub(super) no_proxy: Vec<String>,
    pub(super) ca_file: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    pub(super) listen: String,
    pub(super) token: Secret,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub(super) format: String,
    pub(super) level: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    pub(super) project: String,
    pub(super) callback: String,
    pub(super) properties: Option<Vec<String>>,
    pub(super) url: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Secret>,
    pub(super) secret: Option<OneOrManySecrets>,
    pub(super) records_max: Option<u32>,
    pub(super) bytes_max: Option<ByteSize>,
    pub(super) wait_max_ms: Option<u64>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) connect_timeout_ms: Option<u64>,
    pub(super) retry_schedule: Option<Vec<HumanDuration>>,
    pub(super) refusals_max: Option<u32>,
    pub(super) give_up_after: Option<HumanDuration>,
    pub(super) order_wait: Option<HumanDuration>,
    pub(super) response_bytes_max: Option<ByteSize>,
    pub(super) connection_age_max: Option<HumanDuration>,
    pub(super) gzip: Option<bool>,
    pub(super) in_flight_max: Option<u32>,
    pub(super) requests_per_second: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) in_flight_max: Option<u32>,
    pub(super) requests_per_second: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a secret, or a list of secrets, the newest first")]
pub(super) enum OneOrManySecrets {
    One(Secret),
    Many(Vec<Secret>),
}

/// A secret. Never shown.
#[derive(Clone)]
pub(super) enum Secret {
    FromEnv(String),
    FromFile(PathBuf),
    Plain(String),
}

impl<'de> Deserialize<'de> for Secret {
    /// Accepts a text or a table and nothing else, so that an error does not repeat a secret as the name of
    /// a variant.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SecretVisitor;
        impl<'de> Visitor<'de> for SecretVisitor {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, { env = \"NAME\" } or { file = \"PATH\" }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::Plain(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
                let secret = match map.next_entry::<String, String>()? {
                    Some((key, name)) if key == "env" => Secret::FromEnv(name),
                    Some((key, path)) if key == "file" => Secret::FromFile(path.into()),
                    _ => return Err(A::Error::custom(format!("expected {}", Expected(&self)))),
                };
                match map.next_key::<String>()? {
                    None => Ok(secret),
                    Some(_) => Err(A::Error::custom("one of `env` and `file` is enough")),
                }
            }
        }
        deserializer.deserialize_any(SecretVisitor)
    }
}

/// The expectation of a visitor, as text.
struct Expected<'a, V>(&'a V);

impl<'de, V: Visitor<'de>> fmt::Display for Expected<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }
}

impl Secret {
    /// Reads the secret.
    pub(super) fn value(&self) -> Result<String, String> {
        match self {
            Self::Plain(text) => Ok(text.clone()),
            Self::FromEnv(name) => {
                let value = std::env::var(name).map_err(|_| format!("the environment has no `{name}`"))?;
                Ok(without_line_break(&value))
            }
            Self::FromFile(file) => read_secret(file),
        }
    }

    /// The file that holds the secret, if one does.
    pub(super) fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::FromFile(file) => Some(file),
            Self::FromEnv(_) | Self::Plain(_) => None,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_at_the_end_of_a_secret_is_cut_wherever_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        for (number, end) in ["", "\n", "\r\n", "\n\n"].into_iter().enumerate() {
            let file = folder.path().join(number.to_string());
            std::fs::write(&file, format!(" a\nb {end}")).unwrap();
            assert_eq!(Secret::FromFile(file).value().unwrap(), " a\nb ");
            // A test cannot set variables of its own process; the function is the same for variables and
            // files.
            assert_eq!(without_line_break(&format!(" a\nb {end}")), " a\nb ");
        }
    }
}
