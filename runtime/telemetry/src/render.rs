//! Prometheus' text format. Most of it is written by the library; histograms, which are most of the lines of a page, are
//! written here: the labels of one are escaped once, not once for each of its buckets.

use std::fmt::Write;

use prometheus::proto::{Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

/// Appends the families to a page.
pub(crate) fn render(families: &[MetricFamily], page: &mut Vec<u8>) {
    let mut lines = String::new();
    for family in families {
        if family.get_field_type() == MetricType::HISTOGRAM && !family.get_metric().is_empty() {
            lines.clear();
            // A `String` takes everything.
            let _ = histograms(family, &mut lines);
            page.extend_from_slice(lines.as_bytes());
        } else {
            // The encoder fails only on a writer's error or an empty family; neither is possible here.
            let _ = TextEncoder::new().encode(std::slice::from_ref(family), page);
        }
    }
}

fn histograms(family: &MetricFamily, out: &mut String) -> std::fmt::Result {
    let name = family.name();
    if !family.help().is_empty() {
        write!(out, "# HELP {name} ")?;
        escape(family.help(), false, out);
        out.push('\n');
    }
    writeln!(out, "# TYPE {name} histogram")?;
    let mut labels = String::new();
    // The bounds of all series of a family are the same.
    let mut bounds: Vec<(f64, String)> = Vec::new();
    for metric in family.get_metric() {
        write_labels(metric, &mut labels);
        let histogram = metric.get_histogram();
        let comma = if labels.is_empty() { "" } else { "," };
        let bucket = |le: &str, count: u64, out: &mut String| {
            writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{le}\"}} {count}")
        };
        for (at, found) in histogram.get_bucket().iter().enumerate() {
            let bound = found.upper_bound();
            if bounds.get(at).is_none_or(|(known, _)| known.to_bits() != bound.to_bits()) {
                bounds.truncate(at);
                bounds.push((bound, bound.to_string()));
            }
            bucket(&bounds[at].1, found.cumulative_count(), out)?;
        }
        bucket("+Inf", histogram.get_sample_count(), out)?;
        let whole = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        writeln!(out, "{name}_sum{whole} {}", histogram.get_sample_sum())?;
        writeln!(out, "{name}_count{whole} {}", histogram.get_sample_count())?;
    }
    Ok(())
}

/// `a="1",b="2"`, escaped.
fn write_labels(metric: &Metric, labels: &mut String) {
    labels.clear();
    for pair in metric.get_label() {
        if !labels.is_empty() {
            labels.push(',');
        }
        labels.push_str(pair.name());
        labels.push_str("=\"");
        escape(pair.value(), true, labels);
        labels.push('"');
    }
}

fn escape(text: &str, quotes: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, Registry};

    use super::*;

    #[test]
    fn a_page_is_what_the_library_writes() {
        let registry = Registry::new();
        let buckets = vec![0.000_05, 0.5, 1e3, 1e9, 1e21];
        let options =
            |name: &str| HistogramOpts::new(name, "back\\slash \"and\"\nline").buckets(buckets.clone());
        let labelled = HistogramVec::new(options("labelled"), &["queue", "job"]).unwrap();
        for (queue, job) in [("q", "plain"), ("ä\"b\"", "c\\d\ne"), ("", "{},=")] {
            let one = labelled.with_label_values(&[queue, job]);
            for value in [0.000_01, 0.3, 7.25, 1e12, f64::INFINITY] {
                one.observe(value);
            }
        }
        labelled.with_label_values(&["never", "observed"]);
        let bare = Histogram::with_opts(options("bare")).unwrap();
        bare.observe(2.0);
        let counter = IntCounter::new("counter", "of \"things\"").unwrap();
        registry.register(Box::new(labelled)).unwrap();
        registry.register(Box::new(bare)).unwrap();
        registry.register(Box::new(counter)).unwrap();
        registry.register(Box::new(HistogramVec::new(options("empty"), &["a"]).unwrap())).unwrap();
        let families = registry.gather();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        render(&families, &mut ours);
        TextEncoder::new().encode(&families, &mut theirs).unwrap();
        assert_eq!(String::from_utf8(ours).unwrap(), String::from_utf8(theirs).unwrap());
    }
}
