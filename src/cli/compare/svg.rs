//! Writing SVG: elements, attributes and escaped text, and nothing of what they show.
//!
//! Our own, because `plotters` writes colours into every element: its pictures cannot follow a reader's
//! dark mode by a style sheet, and have no titles for screen readers.

use std::fmt::{Display, Write};

/// A document, element by element.
#[derive(Debug, Default)]
pub(super) struct Svg {
    text: String,
    open: Vec<&'static str>,
}

impl Svg {
    /// Opens an element; what comes before its [`Self::close`] is in it.
    pub(super) fn open(&mut self, name: &'static str, attributes: &[(&str, &dyn Display)]) {
        self.start(name, attributes);
        self.text.push_str(">\n");
        self.open.push(name);
    }

    /// Closes what was opened last.
    pub(super) fn close(&mut self) {
        let name = self.open.pop().expect("an element is open");
        self.push(format_args!("</{name}>\n"));
    }

    /// An element without content.
    pub(super) fn empty(&mut self, name: &str, attributes: &[(&str, &dyn Display)]) {
        self.start(name, attributes);
        self.text.push_str("/>\n");
    }

    /// An element with text.
    pub(super) fn text(&mut self, name: &str, attributes: &[(&str, &dyn Display)], text: &str) {
        self.start(name, attributes);
        self.push(format_args!(">{}</{name}>\n", escaped(text)));
    }

    /// An element that tells its title to who points at it.
    pub(super) fn titled(&mut self, name: &str, attributes: &[(&str, &dyn Display)], title: &str) {
        self.start(name, attributes);
        let title = escaped(title);
        self.push(format_args!("><title>{title}</title></{name}>\n"));
    }

    /// The style sheet, which has no `<` and no `&`.
    pub(super) fn style(&mut self, css: &str) {
        self.push(format_args!("<style>\n{css}</style>\n"));
    }

    /// The document.
    pub(super) fn finish(self) -> String {
        assert!(self.open.is_empty(), "every element was closed");
        self.text
    }

    fn start(&mut self, name: &str, attributes: &[(&str, &dyn Display)]) {
        self.push(format_args!("<{name}"));
        for (key, value) in attributes {
            let value = escaped(&value.to_string());
            self.push(format_args!(" {key}=\"{value}\""));
        }
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("a text can be written to");
    }
}

/// A length in the picture's units, to a tenth and without a needless zero.
pub(super) fn px(length: f64) -> String {
    let text = format!("{length:.1}");
    let short = text.strip_suffix(".0").unwrap_or(&text);
    if short == "-0" { "0" } else { short }.to_owned()
}

/// The text as XML reads it back. Control characters, which XML cannot hold, become spaces.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push(' '),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_nest_and_text_is_escaped() {
        let mut svg = Svg::default();
        svg.open("g", &[("class", &"a\"b")]);
        svg.text("text", &[("x", &px(1.25)), ("y", &3)], "1 < 2 & \u{1}");
        svg.titled("path", &[], "a>b");
        svg.empty("rect", &[]);
        svg.close();
        assert_eq!(
            svg.finish(),
            "<g class=\"a&quot;b\">\n<text x=\"1.2\" y=\"3\">1 &lt; 2 &amp;  </text>\n\
             <path><title>a&gt;b</title></path>\n<rect/>\n</g>\n"
        );
    }

    #[test]
    fn lengths_are_short() {
        let lengths = [0.0, -0.01, 12.0, 12.34, -3.06].map(px);
        assert_eq!(lengths, ["0", "0", "12", "12.3", "-3.1"]);
    }
}
