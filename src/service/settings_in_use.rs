//! The settings that the process uses: those of its start, and those that SIGHUP has applied since.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::settings::{Effective, InvalidSettings, Sources, effective, is_reloaded};

/// The settings that the process uses.
pub(super) struct SettingsInUse {
    /// Where they are read from.
    pub(super) sources: Sources,
    in_use: Mutex<Vec<Effective>>,
}

impl SettingsInUse {
    /// At the start.
    pub(super) fn read(sources: Sources) -> Result<Self, InvalidSettings> {
        let in_use = Mutex::new(effective(&sources)?);
        Ok(Self { sources, in_use })
    }

    /// SIGHUP has applied what it applies. Settings that are wrong by now are not those that it read.
    pub(super) fn reloaded(&self) {
        if let Ok(read) = effective(&self.sources) {
            let mut in_use = self.lock();
            in_use.retain(|setting| !is_reloaded(&setting.name));
            in_use.extend(read.into_iter().filter(|setting| is_reloaded(&setting.name)));
        }
    }

    /// The value that is in use, where it is another.
    pub(super) fn instead_of(&self, setting: &Effective) -> Option<String> {
        let in_use = self.lock();
        let own = in_use.iter().find(|own| own.name == setting.name)?;
        (own.value != setting.value).then(|| own.value.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Effective>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
