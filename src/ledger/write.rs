//! A transaction that writes.

use std::ops::{Deref, DerefMut};

use sqlx::{Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection};

/// A transaction that has the write lock from its first statement on.
///
/// sqlx's own type cannot be used: on a full disk `SQLite` rolls back by itself, sqlx does not notice,
/// and would begin no transaction on that connection ever after.
pub(super) struct Write {
    connection: PoolConnection<Sqlite>,
    is_open: bool,
}

impl Write {
    /// Waits for the lock as long as the connection's busy timeout says.
    pub(super) async fn begin(pool: &SqlitePool) -> sqlx::Result<Self> {
        let mut write = Self {
            connection: pool.acquire().await?,
            is_open: true,
        };
        let begun = sqlx::query("begin immediate").execute(&mut *write).await;
        match begun {
            Ok(_) => Ok(write),
            Err(error) => {
                write.roll_back().await;
                Err(error)
            }
        }
    }

    /// Durable when it returns; rolled back where it fails.
    pub(super) async fn commit(mut self) -> sqlx::Result<()> {
        let committed = sqlx::query("commit").execute(&mut *self.connection).await;
        match committed {
            Ok(_) => {
                self.is_open = false;
                Ok(())
            }
            Err(error) => {
                self.roll_back().await;
                Err(error)
            }
        }
    }

    pub(super) async fn roll_back(mut self) {
        // Refused where `SQLite` has done so by itself, which is as well.
        let rolled_back = sqlx::query("rollback").execute(&mut *self.connection).await;
        rolled_back.map(drop).ok();
        self.is_open = false;
    }
}

impl Deref for Write {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if self.is_open {
            // Its task was cut off: what it had begun ends with the connection.
            self.connection.close_on_drop();
        }
    }
}
