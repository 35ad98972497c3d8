//! What hands work over, of settings that follow their file.

use tower_identity_outbound::HandOffs;

use super::LiveSettings;
use crate::SettingsError;

impl LiveSettings {
    /// As [`Settings::hand_offs`](crate::Settings::hand_offs). What another file says of it counts at the next start.
    ///
    /// # Errors
    ///
    /// As [`Settings::hand_offs`](crate::Settings::hand_offs).
    pub fn hand_offs(&self, name: &str) -> Result<HandOffs, SettingsError> {
        self.state.first.hand_offs(name)
    }
}
