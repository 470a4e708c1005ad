//! Reads a plot back: its panels, their axes, and where the lines are.

/// One panel, as it is drawn.
#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) heading: String,
    /// For each variant, the places of its points, from left to right.
    pub(crate) lines: Vec<Vec<[f64; 2]>>,
    /// The ends of each interval as numbers of the axis; and the value and both ends as the marker's
    /// title tells them.
    pub(crate) whiskers: Vec<(f64, f64, [f64; 3])>,
    x: Axis,
    y: Axis,
}

/// Two marks of an axis: where they stand, and their numbers.
#[derive(Debug)]
struct Axis([(f64, f64); 2]);

impl Axis {
    fn of(marks: &[(f64, f64)]) -> Self {
        let (first, last) = (
            marks.first().expect("a mark"),
            marks.last().expect("another"),
        );
        assert!(marks.len() >= 2 && first != last, "{marks:?}");
        Self([*first, *last])
    }

    fn number_at(&self, place: f64) -> f64 {
        let [(from, low), (to, high)] = self.0;
        low + (place - from) / (to - from) * (high - low)
    }

    /// How much a tenth of the picture's unit is, which is what a place is rounded to.
    fn tenth(&self) -> f64 {
        (self.number_at(0.1) - self.number_at(0.0)).abs()
    }
}

impl Panel {
    /// All panels of a plot.
    pub(crate) fn all(svg: &str) -> Vec<Self> {
        svg.split("<g class=\"panel\"")
            .skip(1)
            .map(Self::read)
            .collect()
    }

    fn read(panel: &str) -> Self {
        let of_class = |class: &str| {
            let start = format!("<text class=\"{class}\"");
            let lines = panel.lines().filter(move |line| line.starts_with(&start));
            lines.collect::<Vec<&str>>()
        };
        // The label of the axis is no number.
        let mark = |line: &&str, key| Some((number(line, key), content(line).parse().ok()?));
        let x: Vec<_> = of_class("x")
            .iter()
            .filter_map(|line| mark(line, "x"))
            .collect();
        // Numbers stand a little below their lines: the letters are centred.
        let y: Vec<_> = of_class("y")
            .iter()
            .filter_map(|line| mark(line, "y"))
            .collect();
        let y: Vec<_> = y
            .into_iter()
            .map(|(at, number)| (at - 4.0, number))
            .collect();
        let (x, y) = (Axis::of(&x), Axis::of(&y));
        let groups: Vec<&str> = panel.split("<g class=\"c").skip(1).collect();
        Self {
            heading: content(of_class("head")[0]).to_owned(),
            lines: groups.iter().map(|group| points(group)).collect(),
            whiskers: groups
                .iter()
                .flat_map(|group| whiskers(group, &y))
                .collect(),
            x,
            y,
        }
    }

    /// The numbers of both axes at a place.
    pub(crate) fn numbers_at(&self, [x, y]: [f64; 2]) -> (f64, f64) {
        (self.x.number_at(x), self.y.number_at(y))
    }

    /// How much a tenth of the picture's unit is, in numbers of both axes.
    pub(crate) fn tenth(&self) -> (f64, f64) {
        (self.x.tenth(), self.y.tenth())
    }
}

fn points(group: &str) -> Vec<[f64; 2]> {
    let lines = group.lines().filter(|line| line.starts_with("<polyline "));
    let points = lines.flat_map(|line| attribute(line, "points").split(' '));
    let place = |point: &str| {
        let (x, y) = point.split_once(',').expect("x,y");
        [x, y].map(|each| each.parse().expect("a number"))
    };
    points.map(place).collect()
}

/// The intervals of a group, each with what the marker's title tells.
fn whiskers(group: &str, y: &Axis) -> Vec<(f64, f64, [f64; 3])> {
    let Some(line) = group
        .lines()
        .find(|line| line.contains("class=\"whisker\""))
    else {
        return Vec::new();
    };
    let all = attribute(line, "d").split('M').skip(1).map(|whisker| {
        let (low, high) = whisker.split_once('V').expect("a line upwards");
        let low = low.split([' ', 'm']).nth(1).expect("where it begins");
        let high = high.split('m').next().expect("where it ends");
        [low, high].map(|end| y.number_at(end.parse().expect("a number")))
    });
    let titles = group
        .lines()
        .filter(|line| line.contains("class=\"marker\""));
    let told = titles.map(|line| {
        let (_, told) = line.rsplit_once(": ").expect("a title");
        let numbers = told
            .split(['(', ')', ' ', '.'])
            .collect::<Vec<_>>()
            .join(" ");
        let numbers: Vec<f64> = numbers
            .split_whitespace()
            .map_while(|part| part.parse().ok())
            .collect();
        // `3.2 (1.9 .. 5.5)`, cut at its points too.
        let [a, b, c, d, e, f] = numbers[..] else {
            panic!("{line}")
        };
        [a + b / 10.0, c + d / 10.0, e + f / 10.0]
    });
    all.zip(told)
        .map(|([low, high], told)| (low, high, told))
        .collect()
}

fn attribute<'a>(line: &'a str, key: &str) -> &'a str {
    let (_, rest) = line
        .split_once(&format!(" {key}=\""))
        .unwrap_or_else(|| panic!("no {key}: {line}"));
    rest.split('"').next().expect("its value")
}

fn number(line: &str, key: &str) -> f64 {
    attribute(line, key).parse().expect("a number")
}

fn content(line: &str) -> &str {
    let (_, rest) = line.split_once('>').expect("an element");
    rest.split('<').next().expect("its text")
}

/// Whether every element is closed, every attribute quoted, and every `&` that of an entity.
pub(crate) fn assert_well_formed(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut ended = false;
    let mut parts = svg.split('<');
    assert_eq!(parts.next(), Some(""), "text before the first element");
    for part in parts {
        assert!(!ended, "more than one element at the top: {part}");
        let (tag, text) = part.split_once('>').expect("a tag ends");
        assert!(!text.contains('>'), "a `>` in a text: {text}");
        let entities = part.split('&').skip(1);
        for entity in entities {
            let name = entity.split(';').next().expect("a name");
            assert!(["amp", "lt", "gt", "quot"].contains(&name), "&{name}");
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
            ended = open.is_empty();
            continue;
        }
        let (inner, is_empty) = match tag.strip_suffix('/') {
            Some(inner) => (inner, true),
            None => (tag, false),
        };
        let (name, attributes) = inner.split_once(' ').unwrap_or((inner, ""));
        assert!(name.chars().all(|c| c.is_ascii_alphabetic()), "<{tag}>");
        assert_eq!(attributes.matches('"').count() % 2, 0, "<{tag}>");
        let mut keys: Vec<&str> = attributes.split('"').step_by(2).map(str::trim).collect();
        assert_eq!(keys.pop(), Some(""), "<{tag}>");
        assert!(keys.iter().all(|key| key.ends_with('=')), "<{tag}>");
        keys.sort_unstable();
        assert!(
            keys.windows(2).all(|pair| pair[0] != pair[1]),
            "twice: <{tag}>"
        );
        if !is_empty {
            open.push(name);
        }
    }
    assert!(ended, "not closed: {open:?}");
}

#[test]
fn what_is_not_well_formed_is_refused() {
    assert_well_formed("<a><b c=\"d\"/>x &amp; y</a>\n");
    for wrong in [
        "<a>",
        "<a></b>",
        "<a/><b/>x",
        "<a b=c></a>",
        "<a b=\"c\" b=\"d\"></a>",
        "<a>x & y</a>",
        "<a>x > y</a>",
        "x<a></a>",
    ] {
        let refused = std::panic::catch_unwind(|| assert_well_formed(wrong));
        assert!(refused.is_err(), "{wrong}");
    }
}
