//! The payments service of the demo shop
