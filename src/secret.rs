//! Secrets: values that nothing prints. A text is overwritten in memory when it is dropped.

use std::fmt;

use zeroize::Zeroizing;

/// A value that Debug does not show and that has no Display: to use it, a caller asks for it by name.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret<T = Zeroizing<String>>(T);

impl Secret {
    /// A text that is a secret.
    pub fn of_text(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }
}

impl Secret<Zeroizing<Vec<u8>>> {
    /// Bytes that are a secret.
    pub fn of_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }
}

impl<T> Secret<T> {
    /// A value that is a secret.
    pub fn of(value: T) -> Self {
        Self(value)
    }

    /// The value, for the one place that needs it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secrets = (Secret::of_text("geheim"), Secret::of_bytes("geheim"), Secret::of("geheim"));
        assert_eq!(format!("{secrets:?}"), "(…, …, …)");
        assert_eq!(format!("{:#?}", Some(Secret::of_text("geheim"))), "Some(\n    …,\n)");
        assert_eq!(secrets.0.expose().as_str(), "geheim");
    }
}
