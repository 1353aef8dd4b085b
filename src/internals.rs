//! What only the project's own tests, benches and fuzz targets reach. Not part of the API: anything here may change at
//! any time.

pub mod krpc {
    pub mod bencode {
        pub use crate::krpc::bencode::reader::*;
        pub use crate::krpc::bencode::writer::*;
    }
    pub mod bloom {
        pub use crate::krpc::bloom::*;
    }
    pub mod compact {
        pub use crate::krpc::compact::*;
    }
    pub mod item {
        pub use crate::krpc::item::*;
    }
    pub mod message {
        pub use crate::krpc::message::*;
    }
}
