//! What one service saw of a request.

use axum::Json;
use axum_identity::Caller;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `GET /whoami`: the principal of the request, as the service sees it.
pub async fn whoami(caller: Caller) -> Json<Caller> {
    Json(caller)
}

/// One step of a request through the mesh: `GET /trace` answers with a list of them, the answering service first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Which service saw it.
    pub service: String,
    /// Whom it saw: a principal, as `whoami` answers it.
    pub principal: Value,
}

impl Hop {
    /// What this service sees.
    ///
    /// # Errors
    ///
    /// When the principal has no JSON form.
    pub fn seen_by(service: &str, caller: &Caller) -> Result<Self, serde_json::Error> {
        Ok(Self { service: service.to_owned(), principal: serde_json::to_value(caller)? })
    }
}
