//! The mesh command: starts the authority and the three services, and walks the story
