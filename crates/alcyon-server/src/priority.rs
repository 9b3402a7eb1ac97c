//! Which threads wait when there are fewer cores than work.

/// So much nicer than those who answer are the threads that store. At 3 the kernel gives a thread about half of what one that
/// answers gets, if both want all of a core.
#[cfg(target_os = "linux")]
const STORING: i32 = 3;
/// And those that put what is stored in order, later, than those who answer. They were seen to want a third of a core for seconds while
/// seven tenths of it were in use: with as much right as the writer they took from it, and one of seven messages was refused. At 6 the
/// kernel gives them half of what the writer gets, so they take what is left over, and when nothing is, enough not to fall behind.
#[cfg(target_os = "linux")]
const SORTING: i32 = 6;

/// This thread, and those that it starts from now on, leave the processor to those that answer. What arrives has to be read to be
/// seen: while the store takes everything, what is too much stands in the kernel's buffers, where nobody refuses it. Where every
/// thread has a core this changes nothing. Best effort: where the system has no such thing, or forbids it, all are equal.
pub(crate) fn yield_to_those_who_answer() {
    #[cfg(target_os = "linux")]
    be_nicer_by(STORING);
}

/// The same, for threads that leave the processor to the one that stores as well.
pub(crate) fn yield_to_the_writer() {
    #[cfg(target_os = "linux")]
    be_nicer_by(SORTING);
}

#[cfg(target_os = "linux")]
fn be_nicer_by(steps: i32) {
    let _best_effort =
        rustix::process::getpriority_process(None).and_then(|now| rustix::process::setpriority_process(None, now.saturating_add(steps)));
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_thread_that_stores_and_those_it_starts_are_nicer_and_nobody_else() {
        let here = rustix::process::getpriority_process(None).unwrap();
        let of_the_writer = std::thread::spawn(|| {
            yield_to_those_who_answer();
            rustix::process::getpriority_process(None).unwrap()
        });
        assert_eq!(of_the_writer.join().unwrap(), here + STORING);
        let (there, below) = std::thread::spawn(|| {
            yield_to_the_writer();
            let below = std::thread::spawn(|| rustix::process::getpriority_process(None).unwrap()).join().unwrap();
            (rustix::process::getpriority_process(None).unwrap(), below)
        })
        .join()
        .unwrap();
        assert_eq!((there, below), (here + SORTING, here + SORTING));
        assert_eq!(rustix::process::getpriority_process(None).unwrap(), here);
    }
}
