//! What every demo service shares: settings from a file, listening, stopping, whoami
