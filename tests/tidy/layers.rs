//! Imports go down only: never up, never sideways between services.
//!
//! ```text
//! 5  cli, the program
//! 4  sim
//! 3  services       a service knows services/mod.rs, but no other service
//! 2  rpc  check     which do not know each other
//! 1  net  disk  trace  history  host
//! 0  wire  seed  id  clock
//! ```

use std::collections::BTreeSet;

use crate::paths::{Named, module_of, paths};
use crate::source::{Finding, Source};

/// The modules of each layer, from the ground up.
const LAYERS: [&[&str]; 6] = [
    &["wire", "seed", "id", "clock"],
    &["net", "disk", "trace", "history", "host"],
    &["rpc", "check"],
    &["services"],
    &["sim"],
    &["cli"],
];

/// Up to this layer the modules of one layer may use each other.
const SIDEWAYS_MAX: usize = 1;

/// The layers, and which services there are.
pub(crate) struct Layers {
    services: BTreeSet<String>,
}

impl Layers {
    /// The services are the directories in `src/services`.
    pub(crate) fn of<'a>(paths: impl Iterator<Item = &'a str>) -> Self {
        let service = |path: &'a str| {
            let (service, _) = path.strip_prefix("src/services/")?.split_once('/')?;
            Some(service.to_owned())
        };
        Self {
            services: paths.filter_map(service).collect(),
        }
    }

    /// Every path of the file that leads where it must not.
    pub(crate) fn check(&self, source: &Source) -> Vec<Finding> {
        let home = module_of(&source.path);
        let Some(module) = home.first() else {
            return Vec::new(); // lib.rs and main.rs stand on top of all.
        };
        if layer(module).is_none() {
            let fix = format!("give the module `{module}` a layer in tests/tidy/layers.rs");
            return vec![Finding::new(&source.path, 1, fix)];
        }
        paths(source)
            .iter()
            .filter_map(|named| {
                let fix = self.fix(&home, named)?;
                Some(Finding::new(&source.path, named.line, fix))
            })
            .collect()
    }

    /// What to do about a path, if it leads where it must not.
    fn fix(&self, home: &[String], named: &Named) -> Option<String> {
        let written = named.segments.join("::");
        if named.segments.iter().any(|segment| segment == "super") {
            return Some(format!(
                "`{written}` hides its layer: write it from `crate::`"
            ));
        }
        let [root, to, rest @ ..] = named.segments.as_slice() else {
            return None;
        };
        if root != "crate" {
            return None;
        }
        let from = &home[0];
        let (Some(from_layer), Some(to_layer)) = (layer(from), layer(to)) else {
            return Some(format!(
                "`{written}` has no layer: import it from the module that defines it, or give that \
                 module a layer in tests/tidy/layers.rs"
            ));
        };
        if to_layer > from_layer {
            return Some(format!(
                "`{from}` (layer {from_layer}) must not know `{written}` (layer {to_layer}): imports \
                 go down only; move what both need down a layer, or pass it in"
            ));
        }
        if to_layer == from_layer && to != from && to_layer > SIDEWAYS_MAX {
            return Some(format!(
                "`{from}` and `{to}` do not know each other: move what both need down a layer"
            ));
        }
        if to == "services" {
            return self.fix_service(home, rest.first()?, &written);
        }
        None
    }

    /// Services know neither each other, nor does the simulator know them by name.
    fn fix_service(&self, home: &[String], to: &str, written: &str) -> Option<String> {
        let catalogue = home.len() == 1 && home[0] == "services";
        let own = home[0] == "services" && home.get(1).is_some_and(|own| own == to);
        if home[0] == "cli" || catalogue || own {
            return None;
        }
        if to == "*" {
            return Some(format!(
                "`{written}` brings in every service: name what you use"
            ));
        }
        self.services.contains(to).then(|| {
            format!(
                "`{}` must not know the service `{to}`: use the trait `Application` and the \
                 `catalogue` of services/mod.rs, or move what both need down a layer",
                home.join("::")
            )
        })
    }
}

/// The layer of a module of the crate root.
fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let layers = Layers::of(
            [
                "src/services/mod.rs",
                "src/services/booking/mod.rs",
                "src/services/lock/mod.rs",
            ]
            .into_iter(),
        );
        let findings = layers.check(&Source::new(path, text));
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn imports_down_are_fine() {
        let text =
            "use crate::net::{Label, fate::Fate};\nuse crate::seed::Seed;\nuse crate::rpc::x;";
        assert_eq!(lines("src/sim/simulation.rs", text), []);
        assert_eq!(lines("src/services/booking/server.rs", text), []);
    }

    #[test]
    fn imports_up_are_found_on_their_line() {
        assert_eq!(
            lines("src/net/fate.rs", "\nuse crate::{seed, sim::Scenario};"),
            [2]
        );
        assert_eq!(
            lines("src/seed.rs", "fn f() {\n    crate::net::f();\n}"),
            [2]
        );
        assert_eq!(
            lines("src/services/booking/state.rs", "use crate::sim::x;"),
            [1]
        );
        assert_eq!(lines("src/sim/mod.rs", "use crate::cli::x;"), [1]);
    }

    #[test]
    fn the_two_lowest_layers_may_look_sideways_and_others_not() {
        assert_eq!(lines("src/seed.rs", "use crate::clock::Time;"), []);
        assert_eq!(lines("src/host.rs", "use crate::trace::Event;"), []);
        assert_eq!(
            lines("src/rpc/client.rs", "use crate::rpc::retransmit::Policy;"),
            []
        );
        assert_eq!(
            lines("src/check/effects.rs", "use crate::rpc::Semantics;"),
            [1]
        );
        assert_eq!(lines("src/rpc/mod.rs", "use crate::check::Verdict;"), [1]);
    }

    #[test]
    fn services_do_not_know_each_other() {
        let text = "use crate::services::{self, Application, lock::Lease};\nservices::lock::f();";
        assert_eq!(lines("src/services/booking/mod.rs", text), [1, 2]);
        assert_eq!(lines("src/services/lock/mod.rs", text), []);
        assert_eq!(
            lines("src/services/mod.rs", "use self::booking::Booking;"),
            []
        );
        assert_eq!(
            lines("src/services/booking/mod.rs", "use super::lock::Lease;"),
            [1]
        );
    }

    #[test]
    fn the_simulator_knows_services_by_their_trait_only() {
        assert_eq!(
            lines("src/sim/mod.rs", "use crate::services::Application;"),
            []
        );
        assert_eq!(
            lines("src/sim/mod.rs", "use crate::services::booking::Booking;"),
            [1]
        );
        assert_eq!(lines("src/sim/mod.rs", "use crate::services::*;"), [1]);
        assert_eq!(
            lines("src/cli/demo.rs", "use crate::services::booking::Booking;"),
            []
        );
    }

    #[test]
    fn nothing_goes_round_the_layers() {
        assert_eq!(lines("src/net/mod.rs", "use crate::*;"), [1]);
        assert_eq!(lines("src/net/mod.rs", "use crate::Scenario;"), [1]);
        assert_eq!(lines("src/net/event/mod.rs", "use super::super::sim;"), [1]);
        assert_eq!(lines("src/helpers.rs", ""), [1]);
    }
}
