//! Trees of jobs as people write them, in BullMQ's words.

use gristmill_core::new_job::NewJobOptions;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::{Flow, NewJob};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tree<'a> {
    name: String,
    #[serde(rename = "queueName", alias = "queue")]
    queue: String,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    opts: Map<String, Value>,
    #[serde(borrow, default)]
    children: Vec<Tree<'a>>,
}

impl Flow {
    /// Reads `{"name", "queueName", "data", "opts", "children": […]}`; every problem is named with its job.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let tree: Tree<'_> =
            serde_json::from_str(text).map_err(|error| vec![format!("the flow cannot be read: {error}")])?;
        let mut problems = Vec::new();
        let flow = tree.flow(&mut problems);
        if problems.is_empty() { Ok(flow) } else { Err(problems) }
    }
}

impl Tree<'_> {
    fn flow(self, problems: &mut Vec<String>) -> Flow {
        let options = NewJobOptions::read(&self.opts).unwrap_or_else(|found| {
            problems.extend(found.into_iter().map(|problem| format!("job `{}`: {problem}", self.name)));
            NewJobOptions::default()
        });
        let data = self.data.map_or("{}", RawValue::get).to_owned();
        Flow {
            queue: self.queue,
            job: NewJob { name: self.name, data, options, parent: None },
            children: self.children.into_iter().map(|child| child.flow(problems)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_trees_and_names_every_problem() {
        let flow = Flow::parse(
            r#"{"name":"p","queueName":"a","children":[{"name":"c","queue":"b","data": [1, 2],"opts":{"priority":3}}]}"#,
        );
        let flow = flow.unwrap();
        assert_eq!((flow.queue.as_str(), flow.job.data.as_str()), ("a", "{}"));
        assert_eq!(
            (flow.children[0].job.data.as_str(), flow.children[0].job.options.priority),
            ("[1, 2]", 3)
        );
        let wrong = r#"{"name":"p","queue":"a","opts":{"delay":-1},"children":[{"name":"c","queue":"b","opts":{"lifo":5}}]}"#;
        let problems = Flow::parse(wrong).unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with("job `p`: ") && problems[1].starts_with("job `c`: "));
        assert!(Flow::parse("[]").is_err());
    }
}
