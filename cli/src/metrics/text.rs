//! Families of numbers as OpenMetrics text.

use super::families::{Family, Kind, Values, families};
use peerwork_tokio::Metrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::fmt;
use std::time::SystemTime;

/// What the text is, for the header of the answer.
pub(super) const MIME_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What all names begin with.
const PREFIX: &str = "peerwork";

/// The metrics of a node that was started then.
pub(super) fn encode(metrics: Metrics, started: SystemTime) -> String {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Snapshot { metrics, started }));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("a string takes all text");
    text
}

/// What the node counted when it was asked.
#[derive(Debug)]
struct Snapshot {
    metrics: Metrics,
    started: SystemTime,
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Family { name, help, unit, kind, values } in families(&self.metrics, self.started) {
            let mut family = encoder.encode_descriptor(name, help, unit.as_ref(), kind.into())?;
            match values {
                Values::Alone(value) => encode_value(kind, value, family)?,
                Values::Labelled(values) => {
                    for (labels, value) in values {
                        encode_value(kind, value, family.encode_family(&labels)?)?;
                    }
                }
            }
        }
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        build.encode(encoder.encode_descriptor("build", "The program", None, build.metric_type())?)
    }
}

fn encode_value(kind: Kind, value: u64, encoder: MetricEncoder<'_>) -> fmt::Result {
    match kind {
        Kind::Counter => ConstCounter::new(value).encode(encoder),
        Kind::Gauge => ConstGauge::new(value).encode(encoder),
    }
}
