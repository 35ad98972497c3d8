//! The edge, of settings that follow their file.

use std::sync::Arc;

use super::LiveSettings;
use crate::{Edge, SettingsError};

impl LiveSettings {
    /// As [`Settings::edge`](crate::Settings::edge); the verifier of its layer follows the file, which is looked at for as long
    /// as the layer is there. What another file says of the table `[edge]` counts at the next start.
    ///
    /// # Errors
    ///
    /// As [`Settings::edge`](crate::Settings::edge).
    pub fn edge(&self) -> Result<Edge, SettingsError> {
        Ok(self.state.first.edge()?.map_auth(|auth| auth.kept_by(Arc::clone(&self.upkeep))))
    }
}
