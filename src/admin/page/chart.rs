//! A chart of the last hour as SVG: no script, no style of its own. Pure.

use std::fmt::Write as _;

/// A line over the last hour, scaled to its highest value.
#[derive(Clone, Debug, Default)]
pub(super) struct Chart {
    /// `M0 40L1 38…`
    pub(super) line: String,
    /// The same, closed along the axis.
    pub(super) area: String,
    /// The part that failed.
    pub(super) failed: String,
    pub(super) now: f64,
    pub(super) most: f64,
}

impl Chart {
    /// Of rates, the oldest first; each with the part of it that failed. The newest is at the right.
    pub(super) fn of(rates: &[(f64, f64)]) -> Self {
        let most = rates.iter().map(|(rate, _)| *rate).fold(0.0, f64::max);
        let begin = WIDTH - rates.len().saturating_sub(1).min(WIDTH);
        let height = |rate: f64| if most > 0.0 { HEIGHT - rate / most * (HEIGHT - 2.0) } else { HEIGHT };
        let path = |of: fn(&(f64, f64)) -> f64| {
            rates.iter().enumerate().fold(String::new(), |mut path, (at, rate)| {
                let letter = if at == 0 { 'M' } else { 'L' };
                let _ = write!(path, "{letter}{} {:.1}", begin + at, height(of(rate)));
                path
            })
        };
        let closed = |line: &str| {
            if line.is_empty() { String::new() } else { format!("{line}L{WIDTH} {HEIGHT}L{begin} {HEIGHT}Z") }
        };
        let line = path(|(rate, _)| *rate);
        let failed =
            rates.iter().any(|(_, failed)| *failed > 0.0).then(|| closed(&path(|(_, failed)| *failed)));
        Self {
            area: closed(&line),
            failed: failed.unwrap_or_default(),
            line,
            now: rates.last().map_or(0.0, |(rate, _)| *rate),
            most,
        }
    }
}

/// One unit for each interval of the hour.
const WIDTH: usize = 360;
const HEIGHT: f64 = 60.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_at_the_right_and_the_highest_at_the_top() {
        let chart = Chart::of(&[(0.0, 0.0), (10.0, 0.0), (5.0, 5.0)]);
        assert_eq!(chart.line, "M358 60.0L359 2.0L360 31.0");
        assert!(chart.area.starts_with(&chart.line) && chart.area.ends_with("L360 60L358 60Z"));
        assert_eq!((chart.now, chart.most), (5.0, 10.0));
        assert!(!chart.failed.is_empty());
        assert_eq!(Chart::of(&[]).area, "");
        assert_eq!(Chart::of(&[(0.0, 0.0)]).line, "M360 60.0");
    }
}
