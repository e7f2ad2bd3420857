//! Whatever is thrown at it.

mod fuzz;
