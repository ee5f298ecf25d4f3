//! Tells what every GDOI group does, from headers alone.

fn main() {}
