from __future__ import annotations

from django.urls import path

from benchmarks.peers.drf import customers, tasks, transactions

urlpatterns = [
    path("v1/customers", customers.Customers.as_view()),
    path("v1/customers/bulk", customers.ManyCustomers.as_view()),
    path("v1/customers/<uuid:key>", customers.OneCustomer.as_view()),
    path("v1/transactions", transactions.Transactions.as_view()),
    path("v1/tasks", tasks.Tasks.as_view()),
    path("v1/tasks/claim", tasks.Claims.as_view()),
    path("v1/tasks/<uuid:key>/complete", tasks.Completions.as_view()),
]
