# Firth's logistic regression and its likelihood-ratio test, from clinical_data.csv.
# Coefficients: brglm2 0.9 (Debian: r-cran-brglm2), mean bias reduction, which for logistic regression is Firth's.
# Test: the penalised likelihood written out and maximised by optim(), the last coefficient free or 0.
suppressMessages(library(brglm2))
data <- read.csv("clinical_data.csv")

penalised <- function(beta, X, y) {
  eta <- drop(X %*% beta); p <- plogis(eta)
  sum(y * eta - log1p(exp(eta))) + determinant(t(X) %*% (X * p * (1 - p)))$modulus[1] / 2
}
highest <- function(X, y, free) {
  goal <- function(b) -penalised(c(b, rep(0, ncol(X) - free)), X, y)
  start <- rep(0, free)
  for (i in 1:5) start <- optim(start, goal, method = "BFGS", control = list(reltol = 1e-15, maxit = 2000))$par
  -goal(start)
}
rows <- list()
for (part in list(list("scores", c("a", "b", "c")), list("scores", c("a", "b")), list("separated", c("b", "a")))) {
  d <- data[data$set == part[[1]], ]; names <- part[[2]]
  fit <- glm(reformulate(names, "y"), binomial, d, method = "brglmFit", type = "AS_mean", epsilon = 1e-12, maxit = 1000)
  X <- model.matrix(fit)
  lr <- 2 * (highest(X, d$y, ncol(X)) - highest(X, d$y, ncol(X) - 1))
  key <- paste(part[[1]], paste(names, collapse = ""))
  rows[[length(rows) + 1]] <- data.frame(fit = key, name = c("intercept", names, "lr", "p"),
    value = c(coef(fit), lr, pchisq(lr, 1, lower.tail = FALSE)))
}
write.csv(format(do.call(rbind, rows), digits = 15), "clinical_r.csv", row.names = FALSE, quote = FALSE)
