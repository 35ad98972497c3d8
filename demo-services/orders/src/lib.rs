//! The orders service of the demo shop
