//! `[telemetry]`: where traces and metrics are sent over OTLP.

use toml::de::DeValue;

use super::alerts::is_http_url;
use super::environment::{FLAG, TEXT};
use super::reader::{Kind, Reader, Section, Variable, kind_of};

/// `[telemetry]`
#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    /// Address of a collector that speaks OTLP over gRPC; `None` sends nothing.
    pub otlp: Option<String>,
    /// Whether spans are sent.
    pub traces: bool,
    /// Whether BullMQ's metrics are sent.
    pub metrics: bool,
    /// The part, 0 to 1, of the traces that begin with an attempt; `None` leaves it to OpenTelemetry's own variables. A
    /// trace that the producer began follows the producer.
    pub sample: Option<f64>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { otlp: None, traces: true, metrics: true, sample: None }
    }
}

const PART: Kind<f64> = Kind {
    parse: |value| match value {
        DeValue::Integer(n) => parse_part(n.as_str()),
        DeValue::Float(n) => parse_part(n.as_str()),
        other => Err(format!("{} is not a number from 0 to 1", kind_of(other))),
    },
    show: ToString::to_string,
};

fn parse_part(text: &str) -> Result<f64, String> {
    let part = text.trim().parse::<f64>().ok().filter(|part| (0.0..=1.0).contains(part));
    part.ok_or_else(|| format!("`{text}` is not a number from 0 to 1"))
}

pub(super) fn telemetry<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>) -> Telemetry {
    let mut section = reader.section(root, "telemetry");
    let default = Telemetry::default();
    let variable =
        [Variable { name: "OTEL_EXPORTER_OTLP_ENDPOINT".into(), parse: |text| Ok(text.trim().to_owned()) }];
    // OpenTelemetry takes an empty variable for none.
    let found = reader.find(&mut section, "otlp", &TEXT, &variable).filter(|got| !got.value.is_empty());
    let otlp = found.and_then(|got| {
        let fits = is_http_url(&got.value);
        if !fits {
            let message = format!("`telemetry.otlp` is no address: {:?}", got.value);
            let hint = "write it as `http://HOST:4317`, where a collector takes OTLP over gRPC".to_owned();
            reader.error(got.place, message, Some(hint));
        }
        fits.then_some(got.value)
    });
    let traces = reader.get(&mut section, "traces", &FLAG, &[], default.traces).value;
    let metrics = reader.get(&mut section, "metrics", &FLAG, &[], default.metrics).value;
    let sample = reader.find(&mut section, "sample", &PART, &[]).map(|got| got.value);
    reader.finish(&section);
    Telemetry { otlp, traces, metrics, sample }
}
