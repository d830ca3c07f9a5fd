//! A secret in the settings: the text itself, or where it is.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::secret::Secret;
use crate::source::{read_secret, without_line_break};

/// A secret, or the variable or file that holds it.
#[derive(Clone, Debug)]
pub(super) enum SecretSource {
    FromEnv(String),
    FromFile(PathBuf),
    Plain(Secret),
}

/// The password of Postgres, which a command may print.
#[derive(Clone, Debug)]
pub(super) enum PasswordSetting {
    /// Not shown: its arguments may be secrets.
    Command(Secret<Vec<String>>),
    Secret(SecretSource),
}

impl SecretSource {
    /// Reads the secret.
    pub(super) fn value(&self) -> Result<Secret, String> {
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

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(SecretVisitor { takes_command: false })? {
            PasswordSetting::Secret(secret) => Ok(secret),
            PasswordSetting::Command(_) => Err(D::Error::custom(format!("expected {A_SECRET}"))),
        }
    }
}

impl<'de> Deserialize<'de> for PasswordSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor { takes_command: true })
    }
}

/// Accepts a text or a table and nothing else, so that an error does not repeat a secret as the name of a
/// variant.
struct SecretVisitor {
    takes_command: bool,
}

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = PasswordSetting;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.takes_command { A_PASSWORD } else { A_SECRET })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PasswordSetting, E> {
        Ok(PasswordSetting::Secret(SecretSource::Plain(Secret::of_text(text))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PasswordSetting, A::Error> {
        let expected = if self.takes_command { A_PASSWORD } else { A_SECRET };
        let setting = match map.next_key::<String>()?.as_deref() {
            Some("env") => PasswordSetting::Secret(SecretSource::FromEnv(map.next_value()?)),
            Some("file") => {
                PasswordSetting::Secret(SecretSource::FromFile(map.next_value::<String>()?.into()))
            }
            Some("command") if self.takes_command => {
                PasswordSetting::Command(Secret::of(map.next_value::<Words>()?.0))
            }
            _ => return Err(A::Error::custom(format!("expected {expected}"))),
        };
        match map.next_key::<String>()? {
            None => Ok(setting),
            Some(_) => Err(A::Error::custom(format!("one key is enough: expected {expected}"))),
        }
    }
}

/// A list of texts. An error repeats none of them.
struct Words(Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordsVisitor;
        impl<'de> Visitor<'de> for WordsVisitor {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of texts: a program and its arguments")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Words, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = items.next_element()? {
                    words.push(word);
                }
                Ok(Words(words))
            }
        }
        deserializer.deserialize_any(WordsVisitor)
    }
}

const A_SECRET: &str = "a string, { env = \"NAME\" } or { file = \"PATH\" }";
const A_PASSWORD: &str =
    "a string, { env = \"NAME\" }, { file = \"PATH\" } or { command = [\"PROGRAM\", \"ARGUMENT\"] }";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_at_the_end_of_a_secret_is_cut_wherever_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        for (number, end) in ["", "\n", "\r\n", "\n\n"].into_iter().enumerate() {
            let file = folder.path().join(number.to_string());
            std::fs::write(&file, format!(" a\nb {end}")).unwrap();
            assert_eq!(SecretSource::FromFile(file).value(), Ok(Secret::of_text(" a\nb ")));
            // A test cannot set variables of its own process; the function is the same for variables and
            // files.
            assert_eq!(without_line_break(&format!(" a\nb {end}")), Secret::of_text(" a\nb "));
        }
    }
}
