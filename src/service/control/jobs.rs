//! Requests that take long: each is a job with its progress, until the process ends.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Controller;
use crate::admin::{JobList, JobState, JobStatus, RequestError, Scope};
use crate::time::Timestamp;

/// The last jobs.
#[derive(Debug, Default)]
pub(in crate::service) struct Jobs {
    jobs: Mutex<VecDeque<Arc<Job>>>,
    last: AtomicU64,
}

/// A job.
#[derive(Debug)]
pub(super) struct Job {
    no: u64,
    what: &'static str,
    project: Option<String>,
    by: String,
    started_at: Timestamp,
    total: u64,
    done: AtomicU64,
    records: AtomicU64,
    is_cancelled: AtomicBool,
    /// When it ended, and why where it failed.
    end: Mutex<Option<(Timestamp, Option<String>)>>,
}

impl Jobs {
    /// A new job.
    pub(super) fn begin(
        &self,
        what: &'static str,
        project: Option<String>,
        by: String,
        total: u64,
        now: Timestamp,
    ) -> Arc<Job> {
        let job = Arc::new(Job {
            no: self.last.fetch_add(1, Ordering::Relaxed) + 1,
            what,
            project,
            by,
            started_at: now,
            total,
            done: AtomicU64::new(0),
            records: AtomicU64::new(0),
            is_cancelled: AtomicBool::new(false),
            end: Mutex::default(),
        });
        let mut jobs = self.lock();
        jobs.push_front(Arc::clone(&job));
        while jobs.len() > JOBS_MAX && jobs.back().is_some_and(|oldest| oldest.has_ended()) {
            jobs.pop_back();
        }
        job
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, no: u64, scope: &Scope) -> Result<Arc<Job>, RequestError> {
        let found = self.lock().iter().find(|job| job.no == no && job.is_in(scope)).map(Arc::clone);
        found.ok_or_else(|| {
            RequestError::NotFound(format!(
                "there is no job {no}: the last {JOBS_MAX} since the start are listed by `sidecar jobs list`"
            ))
        })
    }
}

impl Job {
    pub(super) fn no(&self) -> u64 {
        self.no
    }

    /// A part of it is done. `false`: the rest is not to be done.
    pub(super) fn advance(&self, done: u64, records: u64) -> bool {
        self.done.fetch_add(done, Ordering::Relaxed);
        self.records.fetch_add(records, Ordering::Relaxed);
        !self.is_cancelled.load(Ordering::Relaxed)
    }

    /// It ended, with this error where it failed.
    pub(super) fn end(&self, at: Timestamp, error: Option<String>) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, error));
    }

    fn has_ended(&self) -> bool {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn is_in(&self, scope: &Scope) -> bool {
        match scope.project() {
            None => true,
            own => own == self.project.as_deref(),
        }
    }

    fn status(&self, now: Timestamp) -> JobStatus {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let done = self.done.load(Ordering::Relaxed);
        let is_cancelled = self.is_cancelled.load(Ordering::Relaxed);
        let state = match &end {
            None => JobState::Running,
            Some((_, Some(_))) => JobState::Failed,
            Some((_, None)) if is_cancelled && done != self.total => JobState::Cancelled,
            Some((_, None)) => JobState::Done,
        };
        let took = now.since(self.started_at).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let left =
            (end.is_none() && done > 0).then(|| took / done as f64 * self.total.saturating_sub(done) as f64);
        JobStatus {
            no: self.no,
            what: self.what.to_owned(),
            project: self.project.clone(),
            by: self.by.clone(),
            state,
            // What is counted no further than to a limit may turn out to be more.
            total: self.total.max(done),
            done,
            records: self.records.load(Ordering::Relaxed),
            started_at: self.started_at.to_rfc3339(),
            ended_at: end.as_ref().map(|(at, _)| at.to_rfc3339()),
            left_seconds: left,
            error: end.and_then(|(_, error)| error),
        }
    }
}

impl Controller {
    pub(super) fn list_jobs(&self, scope: &Scope) -> JobList {
        let now = self.clock.wall();
        let jobs = self.jobs.lock();
        JobList { jobs: jobs.iter().filter(|job| job.is_in(scope)).map(|job| job.status(now)).collect() }
    }

    pub(super) fn show_job(&self, no: u64, scope: &Scope) -> Result<JobStatus, RequestError> {
        Ok(self.jobs.find(no, scope)?.status(self.clock.wall()))
    }

    pub(super) fn stop_job(&self, no: u64, scope: &Scope) -> Result<JobStatus, RequestError> {
        let job = self.jobs.find(no, scope)?;
        if job.has_ended() {
            return Err(RequestError::Conflict(format!("job {no} has ended")));
        }
        job.is_cancelled.store(true, Ordering::Relaxed);
        Ok(job.status(self.clock.wall()))
    }
}

const JOBS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_shows_its_progress_and_its_end_within_its_scope() {
        let jobs = Jobs::default();
        let job = jobs.begin("redeliver", Some("a".into()), "x".into(), 10, Timestamp(0));
        assert!(job.advance(4, 8));
        let running = job.status(Timestamp(4_000_000));
        assert_eq!((running.state, running.done, running.records), (JobState::Running, 4, 8));
        assert_eq!(running.left_seconds, Some(6.0));
        let (own, other) = (Scope::Project("a".into()), Scope::Project("b".into()));
        assert!(jobs.find(1, &own).is_ok() && jobs.find(1, &Scope::All).is_ok());
        assert!(jobs.find(1, &other).is_err() && jobs.find(2, &Scope::All).is_err());
        job.is_cancelled.store(true, Ordering::Relaxed);
        assert!(!job.advance(1, 1));
        job.end(Timestamp(5), None);
        assert_eq!(job.status(Timestamp(6)).state, JobState::Cancelled);
        job.end(Timestamp(5), Some("full".into()));
        assert_eq!(job.status(Timestamp(6)).error.as_deref(), Some("full"));
        for _ in 0..200 {
            jobs.begin("discard", None, "x".into(), 1, Timestamp(0)).end(Timestamp(0), None);
        }
        assert!(jobs.lock().len() <= JOBS_MAX + 1);
    }
}
