//! Of which projects a caller sees anything.

use crate::admin::request_error::RequestError;

/// Of which projects a caller sees anything.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scope {
    /// All projects, and what belongs to none.
    All,
    /// One project.
    Project(String),
}

impl Scope {
    /// Whether a project is inside.
    pub fn holds(&self, project: &str) -> bool {
        match self {
            Self::All => true,
            Self::Project(own) => own == project,
        }
    }

    /// The one project; `None`: all.
    pub fn project(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Project(own) => Some(own),
        }
    }

    /// Refuses a project that is outside. The error is the same whether or not that project exists.
    pub fn require(&self, project: &str) -> Result<(), RequestError> {
        if self.holds(project) { Ok(()) } else { Err(self.outside()) }
    }

    /// A filter by project within the scope: without one, it is the scope's own.
    pub fn narrowed(&self, project: Option<&str>) -> Result<Option<String>, RequestError> {
        match (self, project) {
            (Self::Project(own), None) => Ok(Some(own.clone())),
            (_, Some(project)) => self.require(project).map(|()| Some(project.to_owned())),
            (Self::All, None) => Ok(None),
        }
    }

    /// Refuses what is not of one project.
    pub fn require_all(&self) -> Result<(), RequestError> {
        match self {
            Self::All => Ok(()),
            Self::Project(_) => Err(self.outside()),
        }
    }

    fn outside(&self) -> RequestError {
        let own = self.project().unwrap_or("*");
        RequestError::Forbidden(format!(
            "this access is of the project `{own}` only: use a token of all projects"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_never_leaves_the_scope() {
        let own = Scope::Project("a".to_owned());
        assert_eq!(own.narrowed(None), Ok(Some("a".to_owned())));
        assert_eq!(own.narrowed(Some("a")), Ok(Some("a".to_owned())));
        for other in ["b", "*", "", "A"] {
            assert!(own.narrowed(Some(other)).is_err() && own.require(other).is_err(), "{other}");
        }
        assert!(own.require_all().is_err());
        assert_eq!(Scope::All.narrowed(None), Ok(None));
        assert_eq!(Scope::All.narrowed(Some("b")), Ok(Some("b".to_owned())));
    }
}
