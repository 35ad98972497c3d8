//! Identity through a mesh of services: who is calling, for whom, and the right token for every call onward
