//! The numbers of projects, in the order of their first appearance.

use std::collections::HashMap;

use crate::record::ProjectNo;

/// Names and numbers of all projects of a spool.
#[derive(Debug, Default)]
pub struct Projects {
    names: Vec<String>,
    numbers: HashMap<String, ProjectNo>,
    /// How many of `names` are stored in the spool.
    stored: usize,
}

impl Projects {
    /// The project of documents without one.
    pub const DEFAULT: &'static str = "default";

    /// The projects that are stored in the spool, numbered from 0 without a gap.
    pub fn from_names(names: impl IntoIterator<Item = String>) -> Self {
        let names: Vec<String> = names.into_iter().collect();
        let numbers = (0..).map(ProjectNo).zip(&names).map(|(no, name)| (name.clone(), no)).collect();
        Self { stored: names.len(), names, numbers }
    }

    /// The number of `name`; a new number for a new name. An empty name means [`Self::DEFAULT`].
    pub fn number(&mut self, name: &str) -> ProjectNo {
        let name = if name.is_empty() { Self::DEFAULT } else { name };
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = ProjectNo(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// The name of a number that [`Self::number`] returned.
    pub fn name(&self, number: ProjectNo) -> &str {
        usize::try_from(number.0).ok().and_then(|at| self.names.get(at)).map_or("", String::as_str)
    }

    /// Projects numbered since the last call. They must be stored together with the records that refer to
    /// them.
    pub fn take_new(&mut self) -> Vec<(ProjectNo, String)> {
        let new = self.names.iter().enumerate().skip(self.stored);
        let new =
            new.map(|(at, name)| (ProjectNo(u32::try_from(at).unwrap_or(u32::MAX)), name.clone())).collect();
        self.stored = self.names.len();
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_keeps_its_number_and_is_handed_over_once() {
        let mut projects = Projects::from_names(["a".to_owned()]);
        assert_eq!(
            (projects.number("b"), projects.number("a"), projects.number("b")),
            (ProjectNo(1), ProjectNo(0), ProjectNo(1))
        );
        assert_eq!(projects.number(""), ProjectNo(2));
        assert_eq!(
            projects.take_new(),
            [(ProjectNo(1), "b".to_owned()), (ProjectNo(2), "default".to_owned())]
        );
        assert_eq!(projects.take_new(), []);
        assert_eq!(projects.name(ProjectNo(1)), "b");
    }
}
