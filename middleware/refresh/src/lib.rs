//! One value with an expiry: one flight, refresh ahead, last good kept
