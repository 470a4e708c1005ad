//! The picture of a sweep: a panel for each figure, in it a line for each variant.
//!
//! The picture follows the reader's light or dark mode, and scales. Lines differ in colour, dash and
//! marker; the colours are those of Okabe and Ito, or near them, which colour-blind readers tell apart.
//! Who points at a marker reads its numbers. The same numbers give the same bytes.
//!
//! Where lines would hide each other, they do not: the markers of one value stand side by side, a few
//! units apart, in the order of the variants.

use std::fmt::Write;

use crate::cli::compare::figures::{Figure, Reading, figures};
use crate::cli::compare::scale::Scale;
use crate::cli::compare::svg::{Svg, px};
use crate::cli::compare::sweep::Sweep;
use crate::cli::compare::swept::Swept;
use crate::cli::exit::UsageError;
use crate::cli::table::counted;
use crate::sim::compare::Statistics;

/// The picture's width; a reader's window scales it.
const WIDTH: f64 = 960.0;
/// What stays free at its edges.
const MARGIN: f64 = 16.0;
/// Of a row of the legend.
const LEGEND_HEIGHT: f64 = 22.0;
/// A letter of the legend, generously.
const LETTER_WIDTH: f64 = 7.5;
/// Panels that stand side by side.
const PANELS_PER_ROW: usize = 2;
const PANEL_WIDTH: f64 = 456.0;
const PANEL_HEIGHT: f64 = 252.0;
/// Within a panel: where the lines may be, from left to right.
const LEFT_RIGHT: [f64; 2] = [56.0, 444.0];
/// Within a panel: where the lines may be, from the bottom to the top.
const BOTTOM_TOP: [f64; 2] = [196.0, 34.0];
/// Between an end of the axis and the first or last value: room for markers side by side.
const INSET: f64 = 16.0;
/// Between markers of one value, if there is room.
const ASIDE_MAX: f64 = 6.0;
/// Values that have a marker and a whisker each. If there are more, whiskers become a band.
const WHISKERS_MAX: usize = 24;
/// Then a line has so many markers at most.
const MARKERS_DENSE: usize = 12;
/// Styles of lines: colours; and dashes, each with its marker.
const STYLES: usize = 6;
/// Markers around a point, by style: a disc, a square, triangles, a diamond, an hourglass.
const MARKERS: [&str; STYLES] = [
    "m-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0-7.2 0z",
    "m-3.3-3.3h6.6v6.6h-6.6z",
    "m0-4.6l4.4 7.6h-8.8z",
    "m0-4.9l4.9 4.9-4.9 4.9-4.9-4.9z",
    "m0 4.6l4.4-7.6h-8.8z",
    "m-3.6-4h7.2l-7.2 8h7.2z",
];

/// How everything looks.
const CSS: &str = "\
text{font-family:system-ui,sans-serif;font-size:12px;fill:#1f2328}
.title{font-size:17px;font-weight:600}
.head{font-size:13px;font-weight:600}
.x{text-anchor:middle}
.y{text-anchor:end}
.back{fill:#fff}
.grid{stroke:#d5dae0}
.axis{stroke:#59636e}
.line,.whisker,.grid,.axis{fill:none}
.line{stroke-width:2;stroke-linejoin:round}
.marker{stroke:#fff;stroke-width:.8}
.band{stroke:none;fill-opacity:.16}
.c0{fill:#0072b2;stroke:#0072b2}
.c1{fill:#d55e00;stroke:#d55e00}
.c2{fill:#00805d;stroke:#00805d}
.c3{fill:#b0508c;stroke:#b0508c}
.c4{fill:#8a6d00;stroke:#8a6d00}
.c5{fill:#4d4d4d;stroke:#4d4d4d}
.d1 .line{stroke-dasharray:8 4}
.d2 .line{stroke-dasharray:2 3}
.d3 .line{stroke-dasharray:9 3 2 3}
.d4 .line{stroke-dasharray:5 2}
.d5 .line{stroke-dasharray:9 3 2 3 2 3}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}
.back{fill:#0d1117}
.grid{stroke:#2b323a}
.axis{stroke:#9198a1}
.marker{stroke:#0d1117}
.c0{fill:#56b4e9;stroke:#56b4e9}
.c1{fill:#ff8f45;stroke:#ff8f45}
.c2{fill:#2ec99b;stroke:#2ec99b}
.c3{fill:#e79ac4;stroke:#e79ac4}
.c4{fill:#f0e442;stroke:#f0e442}
.c5{fill:#c8c8c8;stroke:#c8c8c8}
}
";

/// Finds out whether a sweep can be drawn.
///
/// # Errors
///
/// [`UsageError`], if a value is no number, or if there are no two.
pub(super) fn check(sweep: &Sweep) -> Result<(), UsageError> {
    let wrong = |what: String| Err(UsageError(format!("--plot draws against numbers; {what}")));
    if let Some(value) = sweep.values.iter().find(|value| value.number.is_none()) {
        let (key, value) = (&sweep.key, &value.text);
        return wrong(format!(
            "the value {value} of --sweep {key} is no decimal number of at most 18 digits"
        ));
    }
    if sweep.values.len() < 2 {
        let key = &sweep.key;
        return wrong(format!("expected two values of --sweep {key} at least"));
    }
    Ok(())
}

/// The picture of a sweep that [`check`] has found to be one of numbers.
pub(super) fn drawn(swept: &Swept) -> String {
    Picture::of(swept).drawn()
}

/// A sweep, ordered for drawing.
struct Picture<'a> {
    swept: &'a Swept,
    /// The panels with their headings.
    figures: Vec<(String, Figure)>,
    series: Vec<Series<'a>>,
    x: Scale,
}

/// A variant.
struct Series<'a> {
    name: &'a str,
    /// How far its markers stand aside.
    aside: f64,
    /// What it did, from left to right.
    points: Vec<Drawn<'a>>,
}

/// What a variant did at a value.
struct Drawn<'a> {
    value: f64,
    /// As the user wrote it.
    text: &'a str,
    statistics: &'a Statistics,
}

impl<'a> Picture<'a> {
    fn of(swept: &'a Swept) -> Self {
        let points = swept.points.iter();
        let mut points: Vec<_> = points
            .filter_map(|point| Some((point.value.number?.to_f64(), point)))
            .collect();
        points.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let values: Vec<f64> = points.iter().map(|(value, _)| *value).collect();
        let x = x_scale(swept, &values);
        let names = swept.points.first().into_iter();
        let names: Vec<&str> = names
            .flat_map(|point| point.variants.iter().map(|(name, _)| name.as_str()))
            .collect();
        let asides = asides(names.len(), &x, &values);
        let series = names.into_iter().zip(asides).map(|(name, aside)| {
            let found = points.iter().filter_map(|(value, point)| {
                let (_, statistics) = point.variants.iter().find(|(of, _)| of == name)?;
                Some(Drawn {
                    value: *value,
                    text: &point.value.text,
                    statistics,
                })
            });
            Series {
                name,
                aside,
                points: found.collect(),
            }
        });
        let figures = figures(swept).into_iter();
        Self {
            swept,
            figures: figures
                .filter_map(|figure| Some((figure.panel.clone()?, figure)))
                .collect(),
            series: series.collect(),
            x,
        }
    }

    fn drawn(&self) -> String {
        let mut svg = Svg::default();
        let legend = self.legend_places();
        let legend_rows = legend.last().map_or(0.0, |(_, row)| row + 1.0);
        let top = 54.0 + legend_rows * LEGEND_HEIGHT;
        let rows = self.figures.len().div_ceil(PANELS_PER_ROW);
        let height = top + float(rows) * PANEL_HEIGHT;
        svg.open(
            "svg",
            &[
                ("xmlns", &"http://www.w3.org/2000/svg"),
                ("viewBox", &format!("0 0 {} {}", px(WIDTH), px(height))),
                ("role", &"img"),
                ("aria-labelledby", &"title desc"),
            ],
        );
        let title = self.title();
        svg.text("title", &[("id", &"title")], &title);
        svg.text("desc", &[("id", &"desc")], &self.description());
        svg.style(CSS);
        let whole = [
            ("width", &"100%" as &dyn std::fmt::Display),
            ("height", &"100%"),
        ];
        svg.empty("rect", &[&[("class", &"back" as _)], &whole[..]].concat());
        svg.text(
            "text",
            &[("class", &"title"), ("x", &px(MARGIN)), ("y", &30)],
            &title,
        );
        for (index, (series, (x, row))) in self.series.iter().zip(legend).enumerate() {
            let y = 54.0 + row * LEGEND_HEIGHT;
            legend_entry(&mut svg, index, series.name, [x, y]);
        }
        for (index, (heading, figure)) in self.figures.iter().enumerate() {
            let x = MARGIN + float(index % PANELS_PER_ROW) * (PANEL_WIDTH + MARGIN);
            let y = top + float(index / PANELS_PER_ROW) * PANEL_HEIGHT;
            let place = format!("translate({} {})", px(x), px(y));
            svg.open("g", &[("class", &"panel"), ("transform", &place)]);
            self.panel(&mut svg, heading, figure);
            svg.close();
        }
        svg.close();
        svg.finish()
    }

    fn title(&self) -> String {
        let [from, to] = &self.swept.seeds;
        let runs = counted(self.swept.runs(), "run");
        let scenario = &self.swept.scenario;
        format!("{scenario}, seeds {from}..{to} ({runs} for each point)")
    }

    fn description(&self) -> String {
        let values: Vec<&str> = self
            .swept
            .points
            .iter()
            .map(|p| p.value.text.as_str())
            .collect();
        let headings: Vec<&str> = self.figures.iter().map(|(name, _)| name.as_str()).collect();
        let names: Vec<&str> = self.series.iter().map(|series| series.name).collect();
        format!(
            "Panels: {}. Each is drawn against {} = {}, with a line for each variant: {}. Whiskers \
             and bands are 95 % intervals.",
            headings.join("; "),
            self.swept.sweep.key,
            values.join(", "),
            names.join(", ")
        )
    }

    /// Where the variants stand in the legend: from the left, and in which row.
    fn legend_places(&self) -> Vec<(f64, f64)> {
        let (mut x, mut row) = (MARGIN, 0.0);
        let mut places = Vec::new();
        for series in &self.series {
            let width = 64.0 + float(series.name.chars().count()) * LETTER_WIDTH;
            if x > MARGIN && x + width > WIDTH {
                (x, row) = (MARGIN, row + 1.0);
            }
            places.push((x, row));
            x += width;
        }
        places
    }

    fn panel(&self, svg: &mut Svg, heading: &str, figure: &Figure) {
        let all = self.series.iter().flat_map(|series| &series.points);
        let readings = all.filter_map(|point| figure.of(point.statistics));
        let tops =
            readings.map(|Reading { value, interval }| interval.map_or(value, |[_, high]| high));
        let y = Scale::from_zero(tops.fold(figure.axis_min, f64::max), BOTTOM_TOP);
        let [left, right] = LEFT_RIGHT;
        let [bottom, _] = BOTTOM_TOP;
        svg.text(
            "text",
            &[("class", &"head"), ("x", &px(left)), ("y", &18)],
            heading,
        );
        let mut grid = String::new();
        for tick in y.ticks() {
            let at = y.place(tick.to_f64());
            let _ = write!(grid, "M{} {}H{}", px(left), px(at), px(right));
            let place: [(&str, &dyn std::fmt::Display); 3] = [
                ("class", &"y"),
                ("x", &px(left - 8.0)),
                ("y", &px(at + 4.0)),
            ];
            svg.text("text", &place, &tick.to_string());
        }
        svg.empty("path", &[("class", &"grid"), ("d", &grid)]);
        let mut axis = format!("M{} {}H{}", px(left), px(bottom), px(right));
        for tick in self.x.ticks() {
            let at = self.x.place(tick.to_f64());
            let _ = write!(axis, "M{} {}v5", px(at), px(bottom));
            let place: [(&str, &dyn std::fmt::Display); 3] =
                [("class", &"x"), ("x", &px(at)), ("y", &px(bottom + 18.0))];
            svg.text("text", &place, &tick.to_string());
        }
        svg.empty("path", &[("class", &"axis"), ("d", &axis)]);
        let middle = px(f64::midpoint(left, right));
        let place: [(&str, &dyn std::fmt::Display); 3] =
            [("class", &"x"), ("x", &middle), ("y", &px(bottom + 36.0))];
        svg.text("text", &place, &with_unit(&self.swept.sweep.key));
        for (index, series) in self.series.iter().enumerate() {
            svg.open("g", &[("class", &style(index))]);
            self.line(svg, figure, series, &y, MARKERS[marker(index)]);
            svg.close();
        }
    }

    /// The line of a variant, with its intervals and markers. It has a gap where there is no number.
    fn line(&self, svg: &mut Svg, figure: &Figure, series: &Series<'_>, y: &Scale, marker: &str) {
        let is_dense = series.points.len() > WHISKERS_MAX;
        let marked_every = match is_dense {
            true => series.points.len().div_ceil(MARKERS_DENSE),
            false => 1,
        };
        let mut segments = vec![Segment::default()];
        let mut whiskers = String::new();
        let mut markers = Vec::new();
        for (index, point) in series.points.iter().enumerate() {
            let (Some(reading), Some(segment)) = (figure.of(point.statistics), segments.last_mut())
            else {
                segments.push(Segment::default());
                continue;
            };
            let x = px(self.x.place(point.value) + series.aside);
            let at = px(y.place(reading.value));
            segment.line.push(format!("{x},{at}"));
            if let Some([low, high]) = reading
                .interval
                .map(|ends| ends.map(|end| px(y.place(end))))
            {
                let _ = write!(whiskers, "M{x} {low}m-2 0h4m-2 0V{high}m-2 0h4");
                segment.low.push(format!("{x},{low}"));
                segment.high.push(format!("{x},{high}"));
            }
            if index % marked_every == 0 {
                let told = figure.told(point.statistics);
                let title = format!("{} at {}: {told}", series.name, point.text);
                markers.push((format!("M{x} {at}{marker}"), title));
            }
        }
        segments.retain(|segment| !segment.line.is_empty());
        if is_dense {
            for segment in segments.iter().filter(|segment| !segment.low.is_empty()) {
                let back = segment.high.iter().rev();
                let around: Vec<&str> =
                    segment.low.iter().chain(back).map(String::as_str).collect();
                svg.empty(
                    "polygon",
                    &[("class", &"band"), ("points", &around.join(" "))],
                );
            }
        } else if !whiskers.is_empty() {
            svg.empty("path", &[("class", &"whisker"), ("d", &whiskers)]);
        }
        for segment in &segments {
            let points = segment.line.join(" ");
            svg.empty("polyline", &[("class", &"line"), ("points", &points)]);
        }
        for (path, title) in markers {
            svg.titled("path", &[("class", &"marker"), ("d", &path)], &title);
        }
    }
}

/// A part of a line without a gap: places, and those of the intervals' ends.
#[derive(Default)]
struct Segment {
    line: Vec<String>,
    low: Vec<String>,
    high: Vec<String>,
}

fn legend_entry(svg: &mut Svg, index: usize, name: &str, [x, y]: [f64; 2]) {
    svg.open("g", &[("class", &style(index))]);
    let line = format!("M{} {}h36", px(x), px(y));
    svg.empty("path", &[("class", &"line"), ("d", &line)]);
    let marker = format!("M{} {}{}", px(x + 18.0), px(y), MARKERS[marker(index)]);
    svg.empty("path", &[("class", &"marker"), ("d", &marker)]);
    svg.close();
    svg.text("text", &[("x", &px(x + 44.0)), ("y", &px(y + 4.0))], name);
}

/// The axis from the least to the greatest value; a step between whole numbers is one.
fn x_scale(swept: &Swept, values: &[f64]) -> Scale {
    let mut numbers = swept.points.iter().filter_map(|point| point.value.number);
    let all_whole = numbers.all(|number| number.whole().is_some());
    let ends = [0, values.len() - 1].map(|index| values[index]);
    let [left, right] = LEFT_RIGHT;
    let step_min = if all_whole { 1.0 } else { 0.0 };
    Scale::between(ends, step_min, [left + INSET, right - INSET])
}

/// How far the markers of each variant stand aside: the less, the closer the values are.
fn asides(count: usize, x: &Scale, values: &[f64]) -> Vec<f64> {
    let places: Vec<f64> = values.iter().map(|value| x.place(*value)).collect();
    let gaps = places.windows(2).map(|pair| pair[1] - pair[0]);
    let closest = gaps.fold(f64::INFINITY, f64::min);
    let aside = (0.5 * closest / float(count)).min(ASIDE_MAX);
    let middle = (float(count) - 1.0) / 2.0;
    let asides = (0..count).map(|index| (float(index) - middle) * aside);
    asides.collect()
}

/// Which colour and which dash: the first 36 variants all differ.
fn style(index: usize) -> String {
    format!("c{} d{}", index % STYLES, marker(index))
}

/// Which dash and which marker.
const fn marker(index: usize) -> usize {
    (index + index / STYLES) % STYLES
}

/// The key, with the unit that its name says.
fn with_unit(key: &str) -> String {
    let words: Vec<&str> = key.split('.').collect();
    let last = words.last().copied().unwrap_or_default();
    if ["loss", "duplication"].contains(&last) {
        return format!("{key} (share of datagrams)");
    }
    if words.iter().any(|word| word.ends_with("_ms")) {
        return format!("{key} (ms)");
    }
    if words.iter().any(|word| word.ends_with("_s")) {
        return format!("{key} (s)");
    }
    key.to_owned()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nothing here is counted beyond 2^53"
)]
const fn float(count: usize) -> f64 {
    count as f64
}
