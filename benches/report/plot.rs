//! The plots of the report.

use std::path::Path;

use plotters::prelude::*;

use super::row::Row;

/// Bars of one figure of the rows of a part, one colour a program.
pub fn bars(file: &Path, title: &str, figure: &str, rows: &[&Row]) {
    let works: Vec<&str> = {
        let mut works: Vec<&str> = Vec::new();
        rows.iter().for_each(|row| {
            if !works.contains(&row.work.as_str()) {
                works.push(&row.work);
            }
        });
        works
    };
    let most = rows.iter().map(|row| row.figure(figure)).fold(0.0, f64::max) * 1.1;
    let height = 60 + 40 * works.len() as u32;
    let area = SVGBackend::new(file, (900, height)).into_drawing_area();
    area.fill(&WHITE).unwrap();
    let (left, width, step) = (330_i32, 500.0, 40_i32);
    area.draw(&Text::new(title.to_owned(), (10, 10), ("sans-serif", 18))).unwrap();
    for (at, work) in works.iter().enumerate() {
        let top = 45 + step * i32::try_from(at).unwrap();
        area.draw(&Text::new((*work).to_owned(), (10, top + 6), ("sans-serif", 13))).unwrap();
        let of_work = rows.iter().filter(|row| row.work == *work);
        for (nth, row) in of_work.enumerate() {
            let value = row.figure(figure);
            let (colour, top) = (COLOURS[nth % 2], top + 15 * i32::try_from(nth).unwrap());
            let end = left + (value / most * width) as i32;
            area.draw(&Rectangle::new([(left, top), (end, top + 13)], colour.filled())).unwrap();
            let text = format!("{} {}", super::row::short(value), row.program);
            area.draw(&Text::new(text, (end + 5, top + 1), ("sans-serif", 11))).unwrap();
        }
    }
    area.present().unwrap();
}

const COLOURS: [RGBColor; 2] = [RGBColor(38, 98, 168), RGBColor(190, 190, 190)];
