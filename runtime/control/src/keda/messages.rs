//! The messages of KEDA's external scaler; numbers of fields are the protocol's.

use std::collections::HashMap;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ScaledObject {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub namespace: String,
    #[prost(map = "string, string", tag = "3")]
    pub metadata: HashMap<String, String>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct ActiveResponse {
    #[prost(bool, tag = "1")]
    pub result: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MetricSpecResponse {
    #[prost(message, repeated, tag = "1")]
    pub specs: Vec<MetricSpec>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MetricSpec {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(int64, tag = "2")]
    pub target: i64,
    #[prost(double, tag = "3")]
    pub target_float: f64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MetricsRequest {
    #[prost(message, optional, tag = "1")]
    pub object: Option<ScaledObject>,
    #[prost(string, tag = "2")]
    pub name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MetricsResponse {
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<MetricValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MetricValue {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(int64, tag = "2")]
    pub value: i64,
    #[prost(double, tag = "3")]
    pub value_float: f64,
}
