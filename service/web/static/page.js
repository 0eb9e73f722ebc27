// Everything works without this; it selects all rows of a table at once.
document.querySelectorAll("input.all").forEach((all) => {
  all.addEventListener("change", () => {
    all.closest("table").querySelectorAll("tbody input[name=order]").forEach((one) => {
      one.checked = all.checked;
    });
  });
});
