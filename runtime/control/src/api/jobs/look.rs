//! Looking for jobs, at what a caller may see of them, and at the tree that a job is part of.

use std::collections::{BTreeMap, VecDeque};

use axum::extract::{Path, State};
use axum::response::Json;
use gristmill_queue::{JobView, Queue, QueueError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::IntoParams;

use super::super::error::{ApiError, ApiResult};
use super::super::guard::Caller;
use super::super::{Api, Params};
use super::{ListQuery, missing};

/// Jobs that are looked through.
const MAX_LOOKED: usize = 10_000;
/// Jobs that are read at once.
const PART: usize = 200;
/// Jobs of a tree that are answered, and levels up to its root.
const MAX_NODES: usize = 1_000;
const MAX_LEVELS: usize = 100;
/// Fields of a job's hash that hold what producers and handlers put there.
const PAYLOADS: [&str; 7] =
    ["data", "returnvalue", "progress", "stacktrace", "failedReason", "opts", "gristmill:checkpoint"];

/// A job as a caller may see it.
#[derive(Serialize)]
pub(in crate::api) struct Shown {
    #[serde(flatten)]
    view: JobView,
    /// Payloads and log lines were left out, as they are for operators.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    hidden: bool,
}

impl Shown {
    pub(super) fn new(mut view: JobView, caller: &Caller) -> Self {
        let hidden = !caller.sees_payloads();
        if hidden {
            view.logs.clear();
            view.fields.retain(|name, _| !PAYLOADS.contains(&name.as_str()));
        }
        Self { view, hidden }
    }
}

/// What is looked for.
pub(super) struct Wanted<'a> {
    name: Option<&'a str>,
    text: Option<String>,
    in_data: bool,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(query: &'a ListQuery, in_data: bool) -> Self {
        let text = query.search.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let name = query.name.as_deref().filter(|name| !name.is_empty());
        Self { name, text: text.map(str::to_lowercase), in_data }
    }

    pub(super) fn is_all(&self) -> bool {
        self.name.is_none() && self.text.is_none()
    }

    fn fits(&self, view: &JobView) -> bool {
        let field = |name: &str| view.fields.get(name).map_or("", String::as_str);
        if self.name.is_some_and(|name| field("name") != name) {
            return false;
        }
        let Some(text) = &self.text else { return true };
        let fields: &[&str] = if self.in_data { &["name", "failedReason", "data"] } else { &["name"] };
        view.id.to_lowercase().contains(text)
            || fields.iter().any(|name| field(name).to_lowercase().contains(text))
    }
}

/// Jobs of a state that fit, from the `from`-th of them on.
pub(super) async fn look_for(
    queue: &Queue,
    state: &'static str,
    wanted: &Wanted<'_>,
    from: usize,
    count: usize,
) -> Result<Vec<JobView>, QueueError> {
    let (mut found, mut left_out, mut at) = (Vec::new(), 0, 0);
    while at < MAX_LOOKED && found.len() < count {
        let (views, read) = queue.jobs(state, at, PART).await?;
        for view in views.into_iter().filter(|view| wanted.fits(view)) {
            if left_out < from {
                left_out += 1;
            } else if found.len() < count {
                found.push(view);
            }
        }
        if read == 0 {
            break;
        }
        at += read;
    }
    Ok(found)
}

/// A job of a tree.
#[derive(Debug, Serialize)]
pub(in crate::api) struct Node {
    queue: String,
    id: String,
    name: String,
    state: &'static str,
    children: Vec<Node>,
}

/// The tree that a job is part of, from its root; at most 1 000 jobs of it
#[utoipa::path(
    get, path = "/api/v1/queues/{queue}/jobs/{id}/flow", tag = "jobs",
    params(("queue" = String, Path), ("id" = String, Path)), responses((status = 200, body = Object), (status = 404))
)]
pub(in crate::api) async fn flow(
    State(pages): Api,
    Path((name, id)): Path<(String, String)>,
) -> ApiResult<Json<Node>> {
    let queue = pages.queue(&name).await?;
    let prefix = pages.sources.prefix.clone();
    let of = |queue_name: &str| Queue::new(queue.connection().clone(), &prefix, queue_name);
    let mut view = queue.job(&id).await?.ok_or_else(|| missing(&id))?;
    let mut root = (name, id);
    for _ in 0..MAX_LEVELS {
        let Some(parent) = view.fields.get("parentKey").and_then(|key| place(key, &prefix)) else { break };
        // A parent of another prefix, or one that is gone, ends the way up.
        let Some(found) = of(&parent.0).job(&parent.1).await? else { break };
        (view, root) = (found, parent);
    }
    // Each job with the number of its parent, parents first.
    let mut nodes: Vec<(Option<usize>, Node)> = Vec::new();
    let mut todo = VecDeque::from([(None, root)]);
    while let Some((parent, (queue_name, id))) = todo.pop_front() {
        if nodes.len() >= MAX_NODES {
            break;
        }
        let handle = of(&queue_name);
        let found = handle.job(&id).await?;
        let state = found.as_ref().map_or("removed", |view| view.state);
        let name = found.and_then(|mut view| view.fields.remove("name")).unwrap_or_default();
        let children = handle.children(&id, MAX_NODES).await?;
        let keys = children.processed.into_iter().chain(children.ignored).map(|(key, _)| key);
        let mut keys: Vec<String> = keys.chain(children.failed).chain(children.pending).collect();
        keys.sort();
        keys.dedup();
        let at = nodes.len();
        todo.extend(keys.iter().filter_map(|key| place(key, &prefix)).map(|child| (Some(at), child)));
        nodes.push((parent, Node { queue: queue_name, id, name, state, children: Vec::new() }));
    }
    let mut waiting: BTreeMap<usize, Vec<Node>> = BTreeMap::new();
    while let Some((parent, mut node)) = nodes.pop() {
        let mut children = waiting.remove(&nodes.len()).unwrap_or_default();
        children.reverse();
        node.children = children;
        match parent {
            Some(parent) => waiting.entry(parent).or_default().push(node),
            None => return Ok(Json(node)),
        }
    }
    Err(ApiError::missing("the job is gone"))
}

/// Queue and id of `PREFIX:QUEUE:ID`.
fn place(key: &str, prefix: &str) -> Option<(String, String)> {
    let (queue, id) = key.strip_prefix(prefix)?.strip_prefix(':')?.split_once(':')?;
    Some((queue.to_owned(), id.to_owned()))
}

#[derive(Debug, Deserialize, IntoParams)]
pub(in crate::api) struct SchemaQuery {
    /// The job's name
    job: String,
}

/// The JSON Schema that the data of jobs of this name must fit
#[utoipa::path(
    get, path = "/api/v1/queues/{queue}/schema", tag = "jobs", params(("queue" = String, Path), SchemaQuery),
    responses((status = 200, body = Object), (status = 404, description = "the handler has none"))
)]
pub(in crate::api) async fn schema(
    State(pages): Api,
    Path(name): Path<String>,
    Params(query): Params<SchemaQuery>,
) -> ApiResult<Json<Value>> {
    let own = pages.sources.handlers.schema(&name, &query.job);
    let found = match own {
        Some(schema) => Some(schema),
        None => pages.connected().await?.schema_for(&name, &query.job).await?,
    };
    found
        .map(Json)
        .ok_or_else(|| ApiError::missing(format!("jobs `{}` of `{name}` have no schema", query.job)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_core::config::Role;

    fn view(id: &str, name: &str, data: &str) -> JobView {
        let fields = [("name", name), ("data", data), ("failedReason", "timeout: 5s")];
        let fields = fields.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        JobView { id: id.into(), state: "failed", fields, logs: vec!["line".into()] }
    }

    #[test]
    fn viewers_see_no_payloads_and_cannot_search_in_them() {
        let caller = |role| Caller { who: "x".into(), role };
        let seen =
            serde_json::to_value(Shown::new(view("7", "send", "{\"to\":\"Ada\"}"), &caller(Role::Viewer)));
        let seen = seen.unwrap();
        assert_eq!((seen["hidden"].as_bool(), seen["fields"]["data"].as_str()), (Some(true), None));
        assert_eq!(
            (seen["fields"]["name"].as_str(), seen["logs"].as_array().unwrap().len()),
            (Some("send"), 0)
        );
        let seen =
            serde_json::to_value(Shown::new(view("7", "send", "{}"), &caller(Role::Operator))).unwrap();
        assert_eq!((seen.get("hidden"), seen["fields"]["data"].as_str()), (None, Some("{}")));

        let query = |search: &str, name: Option<&str>| ListQuery {
            state: "failed".into(),
            from: 0,
            count: None,
            name: name.map(str::to_owned),
            search: Some(search.into()),
        };
        let job = view("A-7", "send", "{\"to\":\"Ada\"}");
        let fits = |search: &str, name, in_data| Wanted::new(&query(search, name), in_data).fits(&job);
        assert!(fits("ada", None, true) && !fits("ada", None, false));
        assert!(
            fits("a-7", None, false) && fits("TIMEOUT", Some("send"), true) && !fits("timeout", None, false)
        );
        assert!(!fits("a-7", Some("other"), false) && Wanted::new(&query(" ", None), true).is_all());
    }

    #[test]
    fn keys_of_jobs() {
        assert_eq!(place("bull:q:a:b", "bull"), Some(("q".into(), "a:b".into())));
        assert_eq!(place("other:q:1", "bull"), None);
    }
}
