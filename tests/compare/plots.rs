//! `compare --plot`: pictures that tell the numbers of the JSON, to every reader.

use super::*;

#[test]
fn a_plot_that_cannot_be_written_is_found_before_the_work() {
    let scratch = Scratch::new("unwritable");
    let words = [
        LOSSY,
        "--seeds",
        "0..1000000000000",
        "--sweep",
        "loss=0,0.1",
        "--plot",
    ];
    for (file, told) in [
        (scratch.path("none/plot.svg"), "cannot be written: "),
        (
            scratch.path("."),
            "cannot be written: it is no regular file",
        ),
    ] {
        let told = format!("wavetank: {file}: {told}");
        assert_fails(&compare(&[&words[..], &[&file]].concat()), 4, &told);
    }
    assert_eq!(scratch.names(), [""; 0]);
}

#[test]
fn a_plot_is_whole_or_as_it_was() {
    let scratch = Scratch::new("whole");
    let text = fs::read_to_string(STORY).expect("the story is part of the tree");
    let text = text.replace("mon 10:00-11:00", "mon 10:00-11:00\", \"cancel CONF000009");
    let file = scratch.file("no-setup.toml", &text);
    let plot = scratch.file("plot.svg", "an earlier one");
    let words = ["--seeds", "3..5", "--sweep", "loss=0,0.1", "--plot", &plot];
    let ended = compare(&[&[file.as_str()][..], &words].concat());
    let told = format!("value 0: {file}: variant `maybe`, seed 3: setup of alice");
    assert_fails(&ended, 2, &told);
    assert_eq!(scratch.names(), ["no-setup.toml", "plot.svg"]);
    assert_eq!(
        fs::read_to_string(&plot).expect("it is there"),
        "an earlier one"
    );

    assert_eq!(compare(&[&[STORY][..], &words].concat()).code, 0);
    assert_eq!(scratch.names(), ["no-setup.toml", "plot.svg"]);
    assert_well_formed(&fs::read_to_string(&plot).expect("it is there"));
}

// ---- plots

/// The words that ask for a plot of a sweep over these seeds.
fn swept<'a>(file: &'a str, seeds: &'a str, sweep: &'a str, plot: &'a str) -> [&'a str; 7] {
    [file, "--seeds", seeds, "--sweep", sweep, "--plot", plot]
}

#[test]
fn a_plot_shows_the_numbers_of_the_json() {
    let scratch = Scratch::new("numbers");
    let file = scratch.file("rough.toml", LOAD);
    let plot = scratch.path("plot.svg");
    // Not in their order: a line goes from left to right all the same.
    let words = swept(&file, "0..40", "loss=0.4,0,0.05..0.2", &plot);
    let json = json_of(&words);
    let svg = fs::read_to_string(&plot).expect("a plot");
    assert_well_formed(&svg);
    let panels = Panel::all(&svg);
    assert_eq!(panels.len(), 6);
    let mut points: Vec<&Value> = json["points"].as_array().expect("points").iter().collect();
    points.sort_by(|a, b| {
        a["value"]
            .as_f64()
            .unwrap()
            .total_cmp(&b["value"].as_f64().unwrap())
    });
    for panel in &panels {
        for (variant, name) in ["at-most-once", "at-least-once"].into_iter().enumerate() {
            let drawn = &panel.lines[variant];
            assert_eq!(drawn.len(), points.len(), "{}", panel.heading);
            for (point, at) in points.iter().zip(drawn) {
                let told = figure(&panel.heading, &point["variants"][name]);
                let (x, y) = panel.numbers_at(*at);
                let value = point["value"].as_f64().expect("a number");
                let (wide, high) = panel.tenth();
                // Markers of one value stand aside, by three units each.
                assert!(
                    (x - value).abs() <= 31.0 * wide,
                    "{}: {x} for {value}",
                    panel.heading
                );
                assert!(
                    (y - told).abs() <= high,
                    "{}: {y} for {told}",
                    panel.heading
                );
            }
        }
        for (low, high, told) in &panel.whiskers {
            let (_, tenth) = panel.tenth();
            let ends = [told[1] - low, told[2] - high];
            assert!(
                ends.iter().all(|end| end.abs() <= tenth + 0.05),
                "{told:?}: {low} {high}"
            );
        }
    }
    assert_eq!(
        panels
            .iter()
            .map(|panel| panel.whiskers.len())
            .sum::<usize>(),
        2 * 2 * 6
    );
}

/// The number that a panel shows of a variant.
fn figure(heading: &str, told: &Value) -> f64 {
    let number = |value: &Value| value.as_f64().expect("a number");
    let ended = told["operations"].as_object().expect("labels").values();
    let sum = |kind: &str| ended.clone().map(|each| number(&each[kind])).sum::<f64>();
    let operations = sum("ok") + sum("failed") + sum("unknown");
    match heading {
        "runs that violate effects (%)" => {
            100.0 * number(&told["violated"]["effects"]) / number(&told["runs"])
        }
        "runs that violate executions (%)" => {
            100.0 * number(&told["violated"]["executions"]) / number(&told["runs"])
        }
        "operations that ended unknown (%)" => 100.0 * sum("unknown") / operations,
        "retransmissions per operation" => number(&told["retransmissions"]) / operations,
        "latency, median (ms)" => number(&told["latency_ms"]["p50"]),
        "latency, 99th percentile (ms)" => number(&told["latency_ms"]["p99"]),
        other => panic!("a panel that no test knows: {other}"),
    }
}

#[test]
fn where_there_is_no_number_a_line_has_a_gap() {
    let scratch = Scratch::new("gap");
    let plot = scratch.path("plot.svg");
    let words = [
        STORY,
        "--seeds",
        "40..44",
        "--sweep",
        "attempts=1,2..4",
        "--plot",
        &plot,
    ];
    assert_eq!(compare(&words).code, 0);
    let panels = Panel::all(&fs::read_to_string(&plot).expect("a plot"));
    let latency = panels
        .iter()
        .find(|panel| panel.heading == "latency, median (ms)");
    let points: Vec<usize> = latency
        .expect("a panel")
        .lines
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(
        points,
        [0, 3, 3],
        "nobody who sends once is told how it ended"
    );
}

#[test]
fn many_values_have_bands_and_few_markers() {
    let scratch = Scratch::new("dense");
    let plot = scratch.path("plot.svg");
    let words = [
        STORY,
        "--seeds",
        "40..44",
        "--sweep",
        "timeout_ms=0,100..2400",
        "--plot",
        &plot,
    ];
    assert_fails(&compare(&words), 2, "value 0: ");
    for (sweep, whiskers, bands, markers) in [
        ("timeout_ms=100,200..2400", 2 * 3, 0, 24),
        ("timeout_ms=100,200..2500", 0, 2 * 3, 9),
    ] {
        let words = [
            STORY, "--seeds", "40..44", "--sweep", sweep, "--plot", &plot,
        ];
        assert_eq!(compare(&words).code, 0);
        let svg = fs::read_to_string(&plot).expect("a plot");
        assert_well_formed(&svg);
        assert_eq!(
            svg.matches("class=\"whisker\"").count(),
            whiskers,
            "{sweep}"
        );
        assert_eq!(svg.matches("class=\"band\"").count(), bands, "{sweep}");
        let panel = svg.split("<g class=\"panel\"").nth(1).expect("a panel");
        assert_eq!(
            panel.matches("class=\"marker\"").count(),
            3 * markers,
            "{sweep}"
        );
    }
}

#[test]
fn a_plot_is_for_every_reader() {
    let scratch = Scratch::new("a<b>&c");
    let file = scratch.file("a<b>&\"c\".toml", LOAD);
    let plot = scratch.path("plot.svg");
    let words = swept(&file, "0..2", "loss=0,0.1", &plot);
    assert_eq!(compare(&words).code, 0);
    let svg = fs::read_to_string(&plot).expect("a plot");
    assert_well_formed(&svg);
    let title = "a&lt;b&gt;&amp;&quot;c&quot;, seeds 0..2 (2 runs for each point)";
    for part in [
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 960 ",
        "role=\"img\" aria-labelledby=\"title desc\"",
        &format!("<title id=\"title\">{title}</title>"),
        "<desc id=\"desc\">Panels: runs that violate effects (%); ",
        "@media (prefers-color-scheme:dark){",
        "font-family:system-ui,sans-serif",
        ">network.loss (share of datagrams)</text>",
    ] {
        assert!(svg.contains(part), "{part}\n{svg}");
    }
    for absent in ["<script", "<image", "href", "url(", "onload"] {
        assert!(!svg.contains(absent), "{absent}");
    }
}
