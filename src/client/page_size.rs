//! How many results to ask for at a time.

/// The largest and default size of a result page
/// (<https://developers.notion.com/reference/intro#pagination>).
const MAX_PAGE_SIZE: u32 = 100;

/// After so many good pages in a row a larger one is tried, and after twice as many each time that was in vain.
const GROW_AFTER: u32 = 5;

/// The most good pages before a larger one is tried.
const MAX_GROW_AFTER: u32 = 80;

/// The size of the next result page: halved when a page is too much for Notion, and doubled after several good ones.
#[derive(Debug)]
pub(super) struct PageSize {
    size: u32,
    good_pages: u32,
    grow_after: u32,
    /// Whether the present size is one that was tried after good pages.
    has_grown: bool,
}

impl Default for PageSize {
    fn default() -> Self {
        Self { size: MAX_PAGE_SIZE, good_pages: 0, grow_after: GROW_AFTER, has_grown: false }
    }
}

impl PageSize {
    /// The size.
    pub(super) fn get(&self) -> u32 {
        self.size
    }

    /// Whether it is the full size.
    pub(super) fn is_full(&self) -> bool {
        self.size == MAX_PAGE_SIZE
    }

    /// Halves the size, but not below a floor; returns whether it is smaller now.
    pub(super) fn shrink(&mut self, floor: u32) -> bool {
        if self.has_grown {
            self.grow_after = (self.grow_after * 2).min(MAX_GROW_AFTER);
        }
        let before = self.size;
        self.set((self.size / 2).max(floor).min(self.size));
        self.size < before
    }

    /// Makes the size this one.
    pub(super) fn set(&mut self, size: u32) {
        self.size = size;
        self.good_pages = 0;
        self.has_grown = false;
    }

    /// Takes note of a good page.
    pub(super) fn note_good_page(&mut self) {
        self.good_pages += 1;
        if !self.is_full() && self.good_pages >= self.grow_after {
            self.size = (self.size * 2).min(MAX_PAGE_SIZE);
            self.good_pages = 0;
            self.has_grown = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of so many good pages, where those above the limit fail; and how many failed.
    fn sizes(limit: u32, pages: usize) -> (Vec<u32>, usize) {
        let (mut size, mut good, mut failed) = (PageSize::default(), Vec::new(), 0);
        while good.len() < pages {
            if size.get() > limit {
                failed += 1;
                assert!(size.shrink(1));
            } else {
                good.push(size.get());
                size.note_good_page();
            }
        }
        (good, failed)
    }

    #[test]
    fn a_page_that_was_too_much_once_grows_back() {
        let mut size = PageSize::default();
        assert!(size.shrink(12) && size.shrink(12) && size.shrink(12) && !size.shrink(12));
        assert_eq!(size.get(), 12);
        for _page in 0..20 {
            size.note_good_page();
        }
        assert!(size.is_full());
    }

    #[test]
    fn a_size_that_is_too_much_for_good_is_tried_ever_more_seldom() {
        let (good, failed) = sizes(60, 60);
        assert_eq!(good, [50; 60]);
        assert!(failed <= 5, "{failed}");
    }
}
