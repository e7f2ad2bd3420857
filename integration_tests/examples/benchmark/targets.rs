//! What is promised of the figures, and which promises a run did not keep.

/// The targets of a run.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    missed: Vec<String>,
    /// CPU seconds a record, by the number of pages, in the order of their measurement.
    costs: Vec<(usize, f64)>,
}

impl Targets {
    /// Prints a figure that must not be larger than its target.
    pub(crate) fn at_most(&mut self, what: &str, figure: f64, target: f64) {
        self.tell(what, figure, figure <= target, &format!("≤ {target}"));
    }

    /// Prints a figure that must not be smaller than its target.
    pub(crate) fn at_least(&mut self, what: &str, figure: f64, target: f64) {
        self.tell(what, figure, figure >= target, &format!("≥ {target}"));
    }

    /// Prints what a record costs in a workspace of this size; it may not cost more than in the smallest one.
    pub(crate) fn flat(&mut self, pages: usize, cpu_seconds: f64) {
        // Single runs differ by nearly as much.
        const FLAT: f64 = 1.25;
        if let Some((fewest, cost)) = self.costs.first().copied() {
            let what = format!("CPU a record, {pages} pages / {fewest} pages");
            self.at_most(&what, cpu_seconds / cost, FLAT);
        }
        self.costs.push((pages, cpu_seconds));
    }

    /// The targets that were missed so far, each in words.
    pub(crate) fn missed(&self) -> &[String] {
        &self.missed
    }

    fn tell(&mut self, what: &str, figure: f64, is_met: bool, target: &str) {
        let end = if is_met { "" } else { ", MISSED" };
        println!("- {what}: **{figure:.3}** (target {target}{end})");
        if !is_met {
            self.missed.push(format!("{what} is {figure:.3}, not {target}"));
        }
    }
}
