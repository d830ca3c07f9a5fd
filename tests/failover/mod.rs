//! The database is another one than it was: a standby that was promoted, a copy that was restored, another
//! cluster; or the spool is an older one. Real clusters, on each version.

mod fixture;
mod promotion;
mod restore;
