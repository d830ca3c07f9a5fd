//! Which projects make so many records in so short a time that their lanes are held. Pure.
//!
//! A project's records are counted in a sliding window of coarse buckets, so that its memory is the same for
//! any number of records. While a project is held, the count goes on without an end.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

use crate::amount::span;
use crate::position::Lsn;
use crate::record::{Callback, ProjectNo};
use crate::time::Uptime;

/// `delivery.surge`: more records of one project within this time are held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SurgeLimit {
    /// The most records that are not held.
    pub records: u64,
    /// Within this time.
    pub within: Duration,
}

/// Records of one project that were spooled together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) struct Portion {
    pub(in crate::deliver) callback: Callback,
    pub(in crate::deliver) records: u64,
    /// The transaction of the last of them, and how many of them are of it.
    pub(in crate::deliver) transaction: (Lsn, u64),
}

#[derive(Debug, Default)]
pub(in crate::deliver) struct Surges {
    limit: Option<SurgeLimit>,
    projects: HashMap<ProjectNo, Window>,
    /// When projects that make nothing any more are forgotten next.
    forget_at: Uptime,
}

/// The records of one project.
#[derive(Debug, Default)]
struct Window {
    /// Those of the window, by when the bucket begins; at most [`BUCKETS`] and one.
    buckets: VecDeque<(Uptime, [u64; 3])>,
    /// Their sum; while it is held, of all since the first bucket.
    counts: [u64; 3],
    began: Uptime,
    last_at: Uptime,
    /// The last transaction, and the largest, with their records.
    last: (Lsn, u64),
    largest: (Lsn, u64),
    state: State,
    /// The count has changed since [`Surges::changed`] said so.
    is_changed: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    #[default]
    Counted,
    Held,
    /// It was resumed, and is not held again before this.
    Resumed(Uptime),
}

impl Surges {
    pub(in crate::deliver) fn new(limit: Option<SurgeLimit>) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Projects that are held stay so.
    pub(in crate::deliver) fn set_limit(&mut self, limit: Option<SurgeLimit>) {
        if self.limit != limit {
            self.projects.retain(|_, window| window.state == State::Held);
        }
        self.limit = limit;
    }

    /// Whether anything is to be counted.
    pub(in crate::deliver) fn is_on(&self) -> bool {
        self.limit.is_some() || !self.projects.is_empty()
    }

    /// Records were spooled. Returns whether the project is to be held from now on.
    pub(in crate::deliver) fn add(&mut self, project: ProjectNo, portion: Portion, at: Uptime) -> bool {
        let Some(limit) = self.limit else {
            // What was held before goes on being counted.
            if let Some(window) = self.projects.get_mut(&project) {
                window.add(portion, at, None);
            }
            return false;
        };
        if at >= self.forget_at {
            self.forget_at = at.plus(limit.within);
            self.projects.retain(|_, window| window.is_needed(limit.within, at));
        }
        let window = self.projects.entry(project).or_default();
        window.add(portion, at, Some(limit.within));
        let may_be_held = match window.state {
            State::Counted => true,
            State::Held => false,
            State::Resumed(until) => at >= until,
        };
        let begins = may_be_held && window.records() > limit.records;
        if begins {
            window.state = State::Held;
        }
        begins
    }

    pub(in crate::deliver) fn is_held(&self, project: ProjectNo) -> bool {
        self.projects.get(&project).is_some_and(|window| window.state == State::Held)
    }

    /// The project was held before the start.
    pub(in crate::deliver) fn hold(&mut self, project: ProjectNo) {
        self.projects.entry(project).or_default().state = State::Held;
    }

    /// An operator resumes the project: it is not held again for the time of the limit.
    pub(in crate::deliver) fn resume(&mut self, project: ProjectNo, now: Uptime) {
        let within = self.limit.map_or(Duration::ZERO, |limit| limit.within);
        if let Some(window) = self.projects.get_mut(&project).filter(|window| window.state == State::Held) {
            *window = Window { state: State::Resumed(now.plus(within)), last_at: now, ..Window::default() };
        }
    }

    /// Records that were counted of a project, while it is held since the first of them.
    pub(in crate::deliver) fn records(&self, project: ProjectNo) -> u64 {
        self.projects.get(&project).map_or(0, Window::records)
    }

    /// Why a project is held: how many records, in which time, of which transaction.
    pub(in crate::deliver) fn reason(&self, project: ProjectNo) -> Option<String> {
        let window = self.projects.get(&project).filter(|window| window.state == State::Held)?;
        Some(window.describe())
    }

    /// The held projects of which more records came since the last call.
    pub(in crate::deliver) fn changed(&mut self) -> Vec<ProjectNo> {
        let held = self.projects.iter_mut().filter(|(_, window)| window.state == State::Held);
        let changed =
            held.filter_map(|(project, window)| std::mem::take(&mut window.is_changed).then_some(*project));
        changed.collect()
    }
}

impl Window {
    /// `within`: what is older is dropped, unless it is held.
    fn add(&mut self, portion: Portion, at: Uptime, within: Option<Duration>) {
        let at = at.max(self.last_at);
        let moving = within.filter(|_| self.state != State::Held);
        if let Some(within) = moving {
            self.drop_before(at, within);
        }
        if self.records() == 0 {
            (self.began, self.last, self.largest) = (at, (Lsn(0), 0), (Lsn(0), 0));
        }
        let callback = portion.callback.index();
        if let Some(within) = moving {
            let width = within / BUCKETS;
            if self.buckets.back().is_none_or(|(began, _)| at.since(*began) >= width) {
                self.buckets.push_back((at, [0; 3]));
            }
            add(self.buckets.back_mut().map(|(_, counts)| counts), callback, portion.records);
        }
        add(Some(&mut self.counts), callback, portion.records);
        let (commit, records) = portion.transaction;
        self.last = (commit, records + if self.last.0 == commit { self.last.1 } else { 0 });
        if self.last.1 > self.largest.1 {
            self.largest = self.last;
        }
        (self.last_at, self.is_changed) = (at, true);
    }

    fn drop_before(&mut self, now: Uptime, within: Duration) {
        while let Some((_, counts)) = self.buckets.pop_front_if(|(began, _)| now.since(*began) >= within) {
            for (sum, dropped) in self.counts.iter_mut().zip(counts) {
                *sum = sum.saturating_sub(dropped);
            }
            self.began = self.buckets.front().map_or(now, |(began, _)| *began);
        }
    }

    fn records(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn is_needed(&self, within: Duration, now: Uptime) -> bool {
        self.state == State::Held || now.since(self.last_at) < within
    }

    /// `1,204,388 ingested in 6 min, all from 0-16B3748`
    fn describe(&self) -> String {
        let mut out = String::new();
        let made = Callback::ALL.into_iter().filter_map(|callback| {
            let records = self.counts.get(callback.index()).copied().unwrap_or_default();
            (records > 0).then_some((callback, records))
        });
        for (number, (callback, records)) in made.enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            let _ = write!(out, "{comma}{} {callback}", grouped(records));
        }
        let _ = write!(out, " in {}", span(self.last_at.since(self.began)));
        let (commit, records) = self.largest;
        let commit = commit.to_string().replace('/', "-");
        if records >= self.records() {
            let _ = write!(out, ", all from {commit}");
        } else if records > self.records() / 2 {
            let _ = write!(out, ", {} of them from {commit}", grouped(records));
        }
        out
    }
}

fn add(counts: Option<&mut [u64; 3]>, callback: usize, records: u64) {
    if let Some(count) = counts.and_then(|counts| counts.get_mut(callback)) {
        *count += records;
    }
}

/// `1,204,388`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How finely the window slides.
const BUCKETS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    const P: ProjectNo = ProjectNo(1);
    const MINUTE: Duration = Duration::from_mins(1);

    fn portion(records: u64, commit: u64) -> Portion {
        Portion { callback: Callback::Ingested, records, transaction: (Lsn(commit), records) }
    }

    fn after(wait: Duration) -> Uptime {
        Uptime(1_000_000).plus(wait)
    }

    fn surges(records: u64) -> Surges {
        Surges::new(Some(SurgeLimit { records, within: MINUTE * 10 }))
    }

    #[test]
    fn more_records_than_the_limit_within_its_time_are_held_and_as_many_are_not() {
        let mut surges = surges(100);
        assert!(!surges.add(P, portion(60, 1), after(MINUTE)));
        assert!(!surges.add(P, portion(40, 2), after(MINUTE * 5)));
        assert!(!surges.add(ProjectNo(2), portion(60, 3), after(MINUTE * 5)), "another project");
        // The first are ten minutes old.
        assert!(!surges.add(P, portion(60, 4), after(MINUTE * 11)));
        assert!(surges.add(P, portion(1, 5), after(MINUTE * 12)));
        assert!(surges.is_held(P) && !surges.is_held(ProjectNo(2)));
        assert!(!surges.add(P, portion(500, 6), after(MINUTE * 13)), "it is held already");
    }

    #[test]
    fn a_steady_stream_within_the_limit_is_never_held_and_one_above_it_always() {
        for (a_minute, is_held) in [(9, false), (12, true)] {
            let mut surges = surges(100);
            for second in 0..3_600_u32 {
                if (second * a_minute) / 60 != ((second + 1) * a_minute) / 60 {
                    surges.add(P, portion(1, second.into()), after(Duration::from_secs(second.into())));
                }
            }
            assert_eq!(surges.is_held(P), is_held, "{a_minute} a minute");
            let window = &surges.projects[&P];
            assert!(window.buckets.len() <= BUCKETS as usize + 1);
        }
    }

    #[test]
    fn the_reason_names_count_time_and_the_transaction_and_goes_on_while_it_is_held() {
        let mut surges = surges(1_000);
        assert_eq!(surges.reason(P), None);
        surges.add(P, portion(100_000, 0x16B_3748), after(MINUTE));
        assert_eq!(surges.reason(P).unwrap(), "100,000 ingested in 1 s, all from 0-16B3748");
        assert_eq!((surges.changed(), surges.changed()), (vec![P], vec![]));
        surges.add(P, portion(1_104_388, 0x16B_3748), after(MINUTE * 7));
        assert_eq!(surges.changed(), [P]);
        assert_eq!(surges.reason(P).unwrap(), "1,204,388 ingested in 6 min, all from 0-16B3748");
        let other = Portion { callback: Callback::Modified, ..portion(12, 0x17) };
        surges.add(P, other, after(MINUTE * 30));
        let reason = "1,204,388 ingested, 12 modified in 29 min, 1,204,388 of them from 0-16B3748";
        assert_eq!(surges.reason(P).unwrap(), reason);
        surges.add(P, portion(3_000_000, 0x18), after(MINUTE * 130));
        surges.add(P, portion(3_000_000, 0x19), after(MINUTE * 200));
        assert_eq!(surges.reason(P).unwrap(), "7,204,388 ingested, 12 modified in 3 h");
    }

    #[test]
    fn after_a_resume_a_project_is_not_held_again_for_the_time_of_the_limit() {
        let mut surges = surges(100);
        assert!(surges.add(P, portion(101, 1), after(MINUTE)));
        surges.resume(P, after(MINUTE * 2));
        assert!(!surges.is_held(P));
        assert!(!surges.add(P, portion(5_000, 1), after(MINUTE * 11)), "the rest of the same flood");
        assert!(surges.add(P, portion(1, 1), after(MINUTE * 12)));
        // A restart knows who is held, and no counts.
        let mut restarted = Surges::new(None);
        assert!(!restarted.is_on());
        restarted.hold(P);
        assert!(restarted.is_on() && !restarted.add(P, portion(1_000, 1), after(MINUTE)));
        restarted.resume(P, after(MINUTE));
        assert!(!restarted.is_held(P));
    }

    #[test]
    fn projects_that_make_nothing_any_more_are_forgotten() {
        let mut surges = surges(100);
        for number in 0..10_000 {
            surges.add(ProjectNo(number), portion(1, 1), after(MINUTE));
        }
        surges.add(P, portion(1, 1), after(MINUTE * 60));
        assert_eq!(surges.projects.len(), 1);
    }
}
