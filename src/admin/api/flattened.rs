//! Fields of one type that stand among those of another.

use serde::{Deserialize, Deserializer, de};

/// Reads them. An error names its field, which would be lost here.
pub(super) fn read<'de, T: Deserialize<'de>, D: Deserializer<'de>>(fields: D) -> Result<T, D::Error> {
    serde_path_to_error::deserialize(fields)
        .map_err(|error| de::Error::custom(format_args!("field `{}`: {}", error.path(), error.inner())))
}
