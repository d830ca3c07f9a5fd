//! What a caller may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that a caller may do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Change settings, pause, skip, discard.
    Manage,
    /// See signing secrets, and replace them.
    Secret,
    /// Send records again, and tests.
    SendAgain,
    /// Read, except for secrets.
    View,
}

impl Capability {
    /// Every capability, from the least to the most.
    pub const ALL: [Self; 4] = [Self::View, Self::SendAgain, Self::Manage, Self::Secret];

    /// As tokens, links and errors name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Manage => "manage",
            Self::Secret => "secret",
            Self::SendAgain => "send-again",
            Self::View => "view",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Capability {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|capability| capability.name() == name);
        found.ok_or_else(|| format!("`{name}` is none of view, send-again, manage and secret"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_holds_the_name() {
        for capability in Capability::ALL {
            assert_eq!(serde_json::to_value(capability).unwrap(), capability.name());
            assert_eq!(capability.name().parse(), Ok(capability));
        }
    }
}
