//! The demo mesh's authorization server and security token service
