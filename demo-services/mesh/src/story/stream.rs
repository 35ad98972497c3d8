//! A stream of events that is open: what it tells, and its end.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;
use tower_identity::system_clock;

use super::walk::Broken;

/// How long the walk waits for what a stream is to tell, or for its end.
const PATIENCE: Duration = Duration::from_secs(15);

/// Server-sent events as they arrive.
#[derive(Debug)]
pub(super) struct Stream {
    response: Response,
    /// What has arrived and was not told yet.
    read: String,
}

impl Stream {
    pub(super) fn of(response: Response) -> Self {
        Self { response, read: String::new() }
    }

    /// What it tells next, in a few words: the id of an order, `the end`, or `nothing` where it keeps the walk waiting.
    pub(super) async fn tells(&mut self) -> Result<Value, Broken> {
        match system_clock().within(PATIENCE, self.next()).await {
            Some(Ok(Some(event))) => Ok(event),
            Some(Ok(None)) => Ok("the end".into()),
            Some(Err(error)) => Err(error.into()),
            None => Ok("nothing".into()),
        }
    }

    /// The id of the order in the next event, or its type where there is none; comments, which keep the connection alive,
    /// are passed over.
    async fn next(&mut self) -> Result<Option<Value>, reqwest::Error> {
        loop {
            while let Some((event, rest)) = self.read.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                let data = field("data").and_then(|data| serde_json::from_str::<Value>(data).ok());
                let told = field("event").map(|kind| data.map_or(kind.into(), |mut order| order["id"].take()));
                self.read = rest.to_owned();
                if told.is_some() {
                    return Ok(told);
                }
            }
            let Some(chunk) = self.response.chunk().await? else { return Ok(None) };
            self.read.push_str(&String::from_utf8_lossy(&chunk));
        }
    }
}
