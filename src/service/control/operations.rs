//! The checks of `sidecar doctor` and the settings, for the operator.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::Controller;
use crate::admin::{
    Access, DoctorReport, EffectiveSetting, FindingStatus, OperationControl, RequestError, SettingList,
};
use crate::service::doctor::findings;
use crate::service::doctor_query::of_query;
use crate::settings::effective;
use crate::source::SourceError;
use crate::source::preflight::Finding;

impl OperationControl for Controller {
    fn doctor(&self, access: &Access) -> Result<DoctorReport, RequestError> {
        access.scope.require_all()?;
        let routes = self.webhooks.routes();
        let dropped = self.capture.dropped_records().dropped().iter().map(|lane| lane.records).sum();
        let checks = async {
            let mut found = findings(&self.settings, &routes, Some(dropped)).await?;
            found.extend(of_query(&self.settings).await.0);
            found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
            Ok::<_, SourceError>(found)
        };
        match Handle::current().block_on(timeout(PATIENCE, checks)) {
            Ok(Ok(found)) => Ok(DoctorReport { findings: found.into_iter().map(shown).collect() }),
            Ok(Err(error)) => Err(RequestError::Conflict(format!("the checks were not made: {error}"))),
            Err(_) => Err(RequestError::Conflict(format!(
                "the checks were not made: Postgres did not answer within {} s",
                PATIENCE.as_secs()
            ))),
        }
    }

    fn settings(&self, access: &Access) -> Result<SettingList, RequestError> {
        access.scope.require_all()?;
        let effective =
            effective(&self.in_use.sources).map_err(|invalid| RequestError::Conflict(invalid.to_string()))?;
        let settings = effective.into_iter().map(|setting| EffectiveSetting {
            at_start: self.in_use.instead_of(&setting),
            name: setting.name,
            value: setting.value,
            source: setting.source,
        });
        Ok(SettingList { settings: settings.collect() })
    }
}

fn shown(finding: Finding) -> FindingStatus {
    FindingStatus {
        severity: finding.severity,
        title: finding.title,
        explanation: finding.explanation,
        fix_sql: finding.fix_sql,
    }
}

/// How long the checks may take.
const PATIENCE: Duration = Duration::from_secs(20);
