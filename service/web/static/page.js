// Everything works without this: it selects all rows of a table at once, and reads files.
document.querySelectorAll("input.all").forEach((all) => {
  all.addEventListener("change", () => {
    all.closest("table").querySelectorAll("tbody input[name=order]").forEach((one) => {
      one.checked = all.checked;
    });
  });
});
document.querySelectorAll("input.into").forEach((file) => {
  file.hidden = false;
  file.addEventListener("change", async () => {
    if (file.files.length) {
      document.getElementById(file.dataset.into).value = await file.files[0].text();
    }
  });
});
