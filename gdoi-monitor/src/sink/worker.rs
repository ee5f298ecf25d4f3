//! A thread that runs tasks in order, so that its user need not wait for a hanging disk.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A thread and its queue.
#[derive(Debug)]
pub(super) struct Worker<Task> {
    queue: SyncSender<Task>,
    handed_over: u64,
    done: Arc<Done>,
}

/// Number of finished tasks, and waiting threads.
#[derive(Debug, Default)]
struct Done {
    tasks: Mutex<u64>,
    more: Condvar,
}

impl<Task: Send + 'static> Worker<Task> {
    /// Starts a thread for tasks; up to `waiting` tasks may be queued.
    ///
    /// It ends when the returned value is dropped; nobody waits for a hanging one.
    pub(super) fn start(
        name: &str,
        waiting: usize,
        mut work: impl FnMut(Task) + Send + 'static,
    ) -> io::Result<Self> {
        let (queue, tasks) = sync_channel(waiting);
        let done = Arc::new(Done::default());
        let theirs = Arc::clone(&done);
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            for task in tasks {
                work(task);
                *theirs.tasks.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                theirs.more.notify_all();
            }
        })?;
        Ok(Self {
            queue,
            handed_over: 0,
            done,
        })
    }

    /// Queues a task; `false` if the queue is full.
    pub(super) fn hand_over(&mut self, task: Task) -> bool {
        let is_taken = self.queue.try_send(task).is_ok();
        self.handed_over += u64::from(is_taken);
        is_taken
    }

    /// Whether all queued tasks are done.
    pub(super) fn is_idle(&self) -> bool {
        *self.done.tasks.lock().unwrap_or_else(PoisonError::into_inner) == self.handed_over
    }

    /// Waits until all queued tasks are done; `false` on timeout.
    pub(super) fn wait(&self, at_most: Duration) -> bool {
        let tasks = self.done.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .done
            .more
            .wait_timeout_while(tasks, at_most, |tasks| *tasks < self.handed_over);
        let (_tasks, outcome) = waited.unwrap_or_else(PoisonError::into_inner);
        !outcome.timed_out()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn one_that_hangs_is_not_waited_for_and_goes_on_in_order() {
        let (go, may) = channel::<()>();
        let (did, done) = channel();
        let mut worker = Worker::start("test", 2, move |task: u32| {
            may.recv().unwrap();
            did.send(task).unwrap();
        })
        .unwrap();
        assert!(worker.is_idle() && worker.wait(Duration::ZERO));
        // One is running or queued, two are queued.
        let taken = (0..10).filter(|task| worker.hand_over(*task)).count();
        assert!((2..=3).contains(&taken), "{taken}");
        assert!(!worker.is_idle() && !worker.wait(Duration::from_millis(1)));
        for _ in 0..taken {
            go.send(()).unwrap();
        }
        assert!(worker.wait(Duration::from_secs(10)) && worker.is_idle());
        let order: Vec<u32> = done.try_iter().collect();
        assert!(order.is_sorted() && order.len() == taken, "{order:?}");
    }
}
