//! Who makes a request: named in the audit log.

use std::fmt;

/// Who makes a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Caller {
    /// A client of the admin port that names nobody.
    Anonymous,
    /// A browser that was given a one-time link.
    Link {
        /// The id of the link.
        id: String,
    },
    /// A process at the control socket, with its user.
    Socket {
        /// The user; `None` where the system does not say.
        uid: Option<u32>,
    },
    /// A client with the token of `admin.token`.
    AdminToken,
    /// A client with a named token, or a browser that signed in with it.
    Token {
        /// The token's name.
        name: String,
    },
    /// A user that a trusted proxy names.
    User {
        /// The user's name.
        name: String,
    },
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Link { id } => write!(f, "link {id}"),
            Self::Socket { uid: Some(uid) } => write!(f, "uid {uid}"),
            Self::Socket { uid: None } => f.write_str("control socket"),
            Self::AdminToken => f.write_str("admin token"),
            Self::Token { name } => write!(f, "token {name}"),
            Self::User { name } => write!(f, "user {name}"),
        }
    }
}
